"""What turns a payload into rows: functions of the configuration, in own processes, and JSON paths."""
