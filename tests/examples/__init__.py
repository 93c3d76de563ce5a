"""The examples as their readers meet them: started by the documented command, tried by the documented lines."""
