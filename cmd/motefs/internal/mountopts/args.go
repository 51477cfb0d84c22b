package mountopts

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/spf13/pflag"
)

// EnvFile is the option that names a file of variables for the environment.
const EnvFile = "env-file"

// ignored are the options, with "-" between their words, that every filesystem takes
// and that change nothing here: the mount is read-only, nosuid, nodev and noexec, has no
// times of access, and when it is mounted is for mount(8) and systemd to decide.
var ignored = set("ro rw defaults auto noauto nofail -netdev -rnetdev user users nouser nousers owner noowner group nogroup " +
	"nosuid nodev noexec atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime " +
	"sync async dirsync mand nomand silent loud iversion noiversion default-permissions comment uhelper helper")

// refused are options that are known, and why they are not taken.
var refused = map[string]string{
	"suid":    "set-user-ID bits of an origin never count; leave it out",
	"dev":     "an origin has no devices; leave it out",
	"remount": "to change options, unmount and mount again",
	"bind":    "that is for mount(8) itself",
	"env":     "other users see options: put NAME=VALUE into a file, and give env-file=FILE",
	"daemon":  "that is what mount does",
	"help":    "see motefs mount --help",
}

// renamed are other names of flags, as FUSE has them.
var renamed = map[string]string{"nonempty": "allow-non-empty"}

// secret are the flags whose value may be one, unless it names a file by "@".
var secret = set("header")

func set(words string) map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		all[word] = true
	}
	return all
}

// Args are the flags and operands for motefs mount, whose flags are given, and the
// files of EnvFile, which are for who runs it.
func (c *Call) Args(flags *pflag.FlagSet) (args, env []string, err error) {
	for _, o := range c.Options {
		name := strings.ReplaceAll(o.Name, "_", "-")
		if other, ok := renamed[name]; ok {
			name = other
		}
		base, _, _ := strings.Cut(name, ".")
		flag := flags.Lookup(name)
		switch {
		case ignored[name], strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "X-"):
		case refused[base] != "":
			return nil, nil, fmt.Errorf("option %s: %s", base, refused[base])
		case name == EnvFile:
			if o.Value == "" {
				return nil, nil, fmt.Errorf("option %s: give a file, as in %s=/etc/motefs/files.env", name, name)
			}
			env = append(env, o.Value)
		case flag == nil || flag.Hidden:
			if !c.Sloppy {
				return nil, nil, unknown(o.Name, flags)
			}
		case secret[name] && !strings.HasPrefix(o.Value, "@"):
			return nil, nil, fmt.Errorf("option %s: other users see options: put it into a file that is yours alone, and give %s=@FILE", name, name)
		case !o.Has && flag.NoOptDefVal == "":
			return nil, nil, fmt.Errorf("option %s: it wants a value, as in %s=…", name, name)
		case !o.Has:
			args = append(args, "--"+name)
		default:
			args = append(args, "--"+name+"="+o.Value)
		}
	}
	return append(args, "--", c.Source, c.Dir), env, nil
}

// unknown is the error for an option that nobody knows, with what may be meant.
func unknown(name string, flags *pflag.FlagSet) error {
	asFlag := strings.ReplaceAll(name, "_", "-")
	words := slices.Concat(slices.Collect(maps.Keys(ignored)), slices.Collect(maps.Keys(renamed)), []string{EnvFile})
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			words = append(words, f.Name)
		}
	})
	slices.Sort(words) // so that of two that are as near it is always the same
	best := wording.Nearest(asFlag, words)
	if best == "" {
		return fmt.Errorf("unknown option %q; options are the flags of motefs mount, such as prefetch_all", name)
	}
	if strings.HasPrefix(best, "-") {
		best = "_" + best[1:]
	}
	return fmt.Errorf("unknown option %q; is it %s?", name, best)
}
