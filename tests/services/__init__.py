"""The real services that the tests run against: started on free ports, in temporary folders, and stopped at the end.

One module a service; `fixtures.py` hands them to the tests, `install.py` puts the programs on a bare machine.
"""
