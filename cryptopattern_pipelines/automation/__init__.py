"""When assets are materialised: partitions, jobs, schedules, sensors."""
