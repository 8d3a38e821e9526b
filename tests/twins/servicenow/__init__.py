# A stand-in for a ServiceNow instance: Table API, Change Management API, attachments, OAuth, the state machine and the flow behind it.
