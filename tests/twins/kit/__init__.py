# What both twins stand on: routing, faults, the log of what happened, the server, and starting one from a test or the demo.
