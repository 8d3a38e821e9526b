# Who and what a fresh instance has: users, groups, log-ins, CIs, models, a template. For the instance and for tests that log in.
from __future__ import annotations

from ansible_collections.netops.changerail.tests.twins.servicenow.access import Access, Account, Client
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Store

PASSWORD = "twin-password"
"""Everybody's; the twin listens on loopback only."""
CLIENT = Client("twin-client", "twin-client-secret", "changerail.integration")
API_KEY = "twin-api-key"
BEARER = "twin-bearer"
INTEGRATION = "changerail.integration"
CHANGE_MANAGER = "change.manager"

USERS = {
    "admin": ("Administrator", ("admin",), ()),
    INTEGRATION: ("Changerail integration", ("itil", "sn_change_write"), ()),
    "reader": ("Reader", ("sn_change_read",), ()),
    "outsider": ("Outsider", (), ()),
    CHANGE_MANAGER: ("Change manager", ("itil", "change_manager"), ("cab",)),
    "cab.member": ("CAB member", ("itil",), ("cab",)),
    "network.lead": ("Network lead", ("itil",), ("network",)),
    "network.engineer": ("Network engineer", ("itil",), ("network",)),
    "security.lead": ("Security lead", ("itil",), ("netsec",)),
}
"""user_name → (name, roles, groups)."""
GROUPS = ("network", "cab", "netsec")
CIS = ("edge-router-ams1", "edge-router-fra1", "dc-firewall-1")
MODELS = ("Normal", "Standard", "Emergency")
TEMPLATE = {
    "name": "Add prefix to edge filter",
    "short_description": "Add prefix to edge filter",
    "description": "Adds one prefix to the edge filter by the agreed procedure.",
    "implementation_plan": "Run the pipeline edge-filter.",
    "backout_plan": "Run the pipeline with the previous prefix list.",
    "test_plan": "The post-checks of the pipeline.",
}


def open_doors(access: Access, store: Store) -> None:
    """Gives everybody their log-in; needed at every start, since passwords are in no table."""
    for name, (_shown, roles, _groups) in USERS.items():
        row = store.one("sys_user", user_name=name)
        if row:
            access.accounts[name] = Account(name, row["sys_id"], PASSWORD, roles)
    access.clients[CLIENT.id] = CLIENT
    access.keys[API_KEY] = INTEGRATION
    access.bearers[BEARER] = INTEGRATION


def furnish(store: Store) -> None:
    """Fills an empty instance."""
    groups = {name: store.insert("sys_user_group", {"name": name}, "system")["sys_id"] for name in GROUPS}
    for user_name, (shown, _roles, member_of) in USERS.items():
        user = store.insert(
            "sys_user", {"user_name": user_name, "name": shown, "email": f"{user_name}@example.net"}, "system"
        )
        for group in member_of:
            store.insert("sys_user_grmember", {"user": user["sys_id"], "group": groups[group]}, "system")
    for name in CIS:
        store.insert("cmdb_ci", {"name": name, "operational_status": "1"}, "system")
    for name in MODELS:
        store.insert("chg_model", {"name": name}, "system")
    store.insert("std_change_record_producer", TEMPLATE, "system")
