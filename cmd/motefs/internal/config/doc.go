// Package config gives flags the values that the environment and configuration files
// have for them.
//
// The order is one for all flags: the command line, the environment, the files, the
// default. The variable of --limit-rate is MOTEFS_LIMIT_RATE. A file is YAML:
//
//	log-level: debug        # for every command that has such a flag
//	mount:                  # for one command
//	  limit-rate: 10M
//	  header: ["X-A: 1", "X-B: 2"]
//
// Keys are the names of flags. A section goes before what stands at the top, and a later
// file before an earlier one. A value is what the flag takes on the command line, as it
// is written: 0222 stays 0222, which is why scalars are read as text and not as YAML's
// numbers. A flag that may be given several times takes a list; in its variable, one a
// line. A variable that is empty counts as not set.
//
// A key that no command has as a flag is an error; a variable is not, as a cluster or a
// shell may have variables of that prefix for other ends.
//
// Values are set as the command line sets them, so that pflag's Changed holds for them.
package config
