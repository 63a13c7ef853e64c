"""What an evaluation measures: functions of arrays that know no run, no file and no device."""
