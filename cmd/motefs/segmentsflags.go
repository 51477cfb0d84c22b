package main

import (
	"cmp"
	"errors"
	"slices"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/spf13/cobra"
)

// unfit are flags that mean nothing to a command, and why.
type unfit struct {
	flags []string
	why   string
}

const (
	onceMade   = "a segment is written once; make a new mirror at another URL, and mount that"
	onceFailed = "a segment is written once, with the files that failed in it; make a new mirror at another URL"
	followed   = "a mirror in segments is followed all the time"
	nothing    = "a mount of segments lists and mirrors nothing from an origin"
	givenTo    = "give --origin, to which it is sent"
)

var (
	// notMirrored are those of mirror that one of segments has no use for.
	notMirrored = []unfit{
		{[]string{"retry-failed"}, onceFailed},
		{[]string{"refresh", "sample", "dry-run", "max-delete"}, onceMade},
	}
	// notMounted are those of mount.
	notMounted = []unfit{
		{[]string{"refresh", "refresh-every", "max-delete"}, followed},
		{[]string{
			"names", "null", "list-path", "marker-param", "names-field", "next-field", "name-field", "size-field", "mtime-field", "etag-field",
			"listers", "connections", "outage", "max-gone", "limit-files", "limit-rate",
		}, nothing},
	}
	// notAsked are those of a mount that asks no origin.
	notAsked = []unfit{{append([]string{"header", "pipeline", "max-file-size", "get-path"}, withoutListers()...), givenTo}}
	// ofSegments are those that go with --segments, for others to leave out: what stands in a
	// file of configuration, or the environment, is for all commands.
	ofSegments = append([]string{"cluster", "cluster-listen", "nats-creds", "cache-size", "origin"}, segmentsNames...)
)

// withoutListers are the flags for S3 but for the one that says how it is listed.
func withoutListers() []string {
	return slices.DeleteFunc(slices.Clone(s3Names), func(name string) bool { return name == "listers" })
}

// refuse drops flags that mean nothing here. One that stands on the command line is a mistake.
func (a *app) refuse(cmd *cobra.Command, all []unfit) error {
	for _, of := range all {
		for _, name := range of.flags {
			if a.settings.Place(cmd, name) == config.CommandLine {
				return usagef("--%s does not go with --segments: %s", name, of.why)
			}
		}
		if err := a.leaveOut(cmd, of.flags); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut drops flags that stand elsewhere than on the command line.
func (a *app) leaveOut(cmd *cobra.Command, flags []string) error {
	for _, name := range flags {
		if at := a.settings.Place(cmd, name); at == config.Default || at == config.CommandLine {
			continue
		}
		if err := a.settings.Drop(cmd, name); err != nil {
			return err
		}
	}
	return nil
}

// fitStatus checks whom status asks. Where that is no cluster, or where the environment or a file
// says so of processes that mirror, or beside a store that is named, all that is said of clusters is
// left out.
func (a *app) fitStatus(cmd *cobra.Command, f *statusFlags, store bool) error {
	if at := a.settings.Place(cmd, "cluster"); at != config.CommandLine && (store || f.cluster.servers == embedded) || f.cluster.servers == "" {
		if err := a.leaveOut(cmd, append([]string{"segments", "cluster", "nats-creds"}, segmentsNames...)); err != nil {
			return err
		}
	}
	if err := a.fitPlace(cmd, &f.segments, &f.cluster); err != nil {
		return err
	}
	if f.cluster.servers != "" || f.segments.url != "" { // of the stores on this machine none is asked
		if err := a.leaveOut(cmd, []string{"store"}); err != nil {
			return err
		}
	}
	return errors.Join(f.segments.validate(), f.cluster.validateWatch())
}

// fitPlace leaves out what is said elsewhere of other object stores than that of --segments, and of
// other servers than those of --cluster.
func (a *app) fitPlace(cmd *cobra.Command, s *segmentsFlags, c *clusterFlags) error {
	var others []string
	if !onS3(s.url) {
		others = append(others, segmentsNames...)
	}
	if c == nil {
		return a.leaveOut(cmd, others)
	}
	if c.servers != embedded && cmd.Flags().Lookup("cluster-listen") != nil {
		others = append(others, "cluster-listen")
	}
	if c.servers == "" || c.servers == embedded {
		others = append(others, "nats-creds")
	}
	return a.leaveOut(cmd, others)
}

// fitMirror is fit for a mirror, in segments or not.
func (a *app) fitMirror(cmd *cobra.Command, f *mirrorFlags, raw string) error {
	if f.segments.url == "" {
		return cmp.Or(a.leaveOut(cmd, ofSegments), a.fit(cmd, &f.sourceFlags, raw))
	}
	return cmp.Or(a.refuse(cmd, notMirrored), a.fitPlace(cmd, &f.segments, &f.cluster), a.fit(cmd, &f.sourceFlags, raw))
}

// fitMount checks what is to be mounted where, and is fit for that.
func (a *app) fitMount(cmd *cobra.Command, f *mountFlags, args []string) error {
	if f.segments.url == "" {
		if err := cmp.Or(a.leaveOut(cmd, ofSegments), f.operands(args)); err != nil {
			return err
		}
		return a.fit(cmd, &f.sourceFlags, args[0])
	}
	if err := cmp.Or(a.fitPlace(cmd, &f.segments, nil), f.operands(args)); err != nil {
		return err
	}
	all := notMounted
	if f.origin == "" {
		all = append(slices.Clone(all), notAsked...)
	}
	return cmp.Or(a.refuse(cmd, all), a.fit(cmd, &f.sourceFlags, f.origin))
}
