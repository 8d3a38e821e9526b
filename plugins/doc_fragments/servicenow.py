# Copyright: (c) changerail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option with the connection to ServiceNow, for the documentation of modules that have it; Ansible reads it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  servicenow:
    description:
      - The connection to a ServiceNow instance, by the names C(connections.servicenow) has in C(changerail.yml).
      - What is not given is taken from the environment, by the names the collection C(servicenow.itsm) uses.
        AWX credential types for that collection work unchanged.
      - The first kind of credentials that is there counts, in this order C(api_key), C(token), C(client_id), C(username), C(client_cert).
    type: dict
    suboptions:
      url:
        description:
          - Address of the instance, such as V(https://example.service-now.com). Without a scheme V(https://) is added.
          - Otherwise the environment variable E(SN_HOST).
        type: str
      username:
        description: The account. Otherwise E(SN_USERNAME). With O(servicenow.client_id) it is the account of the OAuth grant V(password).
        type: str
      password:
        description: The account's password. Otherwise E(SN_PASSWORD).
        type: str
      client_id:
        description: OAuth client. Otherwise E(SN_CLIENT_ID).
        type: str
      client_secret:
        description: Secret of the OAuth client. Otherwise E(SN_CLIENT_SECRET).
        type: str
      grant_type:
        description: How an OAuth token is asked for. Otherwise E(SN_GRANT_TYPE). Guessed from the credentials when it is said nowhere.
        type: str
        choices: [password, refresh_token, client_credentials]
      refresh_token:
        description: OAuth refresh token. Otherwise E(SN_REFRESH_TOKEN).
        type: str
      api_key:
        description: API key, sent as C(x-sn-apikey). Otherwise E(SN_API_KEY).
        type: str
      token:
        description: A bearer token that is ready. Otherwise E(SN_ACCESS_TOKEN).
        type: str
      client_cert:
        description: File with the client certificate for mutual TLS, in PEM. Otherwise E(SN_CLIENT_CERTIFICATE_FILE).
        type: path
      client_key:
        description: File with the certificate's key. Otherwise E(SN_CLIENT_KEY_FILE), or the file of the certificate.
        type: path
      ca_path:
        description: File or folder with the CA that the instance's certificate is checked against.
        type: path
      verify:
        description: Whether to check the instance's certificate.
        type: bool
        default: true
      headers:
        description: More headers for every request, for example for a gateway before the instance.
        type: dict
      interval:
        description: Seconds between two looks at a record that is waited for.
        type: float
        default: 30.0
"""
