# Faithful stand-ins for systems that do not run on a developer's machine; started by tests and by the demo, never shipped with the wheel.
