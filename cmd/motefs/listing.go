package main

import (
	"context"
	"errors"
	"strings"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/namelist"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// listingFlags say where the names of an origin's files come from, and where the files
// are. Without, it is the protocol of README.md. ORIGINS.md has examples.
type listingFlags struct {
	names  string // the file of a list, "-" for standard input; empty: the origin lists
	null   bool
	layout origin.Layout
}

// groupListing is the heading of these flags in the help.
const groupListing = "Origins that list otherwise (see ORIGINS.md)"

func (f *listingFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.names, "names", "", "list the names of a `file`, or of standard input with -, in the place of the origin's listing: names below ORIGIN or URLs, one a line; plain, gzip or zstd")
	flags.BoolVarP(&f.null, "null", "0", false, "names of --names are separated by NUL")
	flags.StringVar(&f.layout.GetPath, "get-path", "", "`path` below ORIGIN of the files; . is ORIGIN itself (default get; with --names .)")
	inGroup(flags, groupListing, "names", "null", "get-path")
	for _, w := range f.words() {
		flags.StringVar(w.value, w.name, "", w.usage)
		inGroup(flags, groupListing, w.name)
	}
}

// word is a flag for one word of a listing.
type word struct {
	value       *string
	name, usage string
}

func (f *listingFlags) words() []word {
	l := &f.layout
	return []word{
		{&l.ListPath, "list-path", "`path` below ORIGIN of the first page, also with a query; . is ORIGIN itself, ./ that with a slash (default list)"},
		{&l.MarkerParam, "marker-param", "`name` of the parameter that asks for another page (default next-marker)"},
		{&l.NamesField, "names-field", "`field` of a page with the names, as in data.items; . where the page is the array (default FileNames)"},
		{&l.NextField, "next-field", "`field` with the marker or the URL of the next page (default NextFile)"},
		{&l.NameField, "name-field", "`field` of the name, where names are objects (default name)"},
		{&l.SizeField, "size-field", "`field` of the size in bytes, if these have it (default size)"},
		{&l.ModTimeField, "mtime-field", "`field` of the time of the last change, if these have it (default mtime)"},
		{&l.ETagField, "etag-field", "`field` of the ETag, if these have it (default etag)"},
	}
}

// validate checks the flags, and fills in what follows from them.
func (f *listingFlags) validate(cmd *cobra.Command) error {
	flags := cmd.Flags()
	for _, w := range f.words() {
		switch {
		case !flags.Changed(w.name):
			continue
		case f.names != "":
			return usagef("--names takes the place of the listing: give it or --%s", w.name)
		case *w.value == "" && w.name == "list-path":
			*w.value = "."
		case *w.value == "":
			return usagef("--%s: it is empty", w.name)
		}
	}
	switch {
	case flags.Changed("names") && f.names == "":
		return usagef("--names: give a file, or - for standard input")
	case f.null && f.names == "":
		return usagef("-0 goes with --names")
	case f.layout.GetPath == "" && (f.names != "" || flags.Changed("get-path")):
		f.layout.GetPath = "."
	}
	filled := f.layout
	filled.EnsureDefaults()
	if err := filled.Validate(); err != nil {
		return usagef("%w", err)
	}
	return nil
}

// talksFiles is where the files are by the talk's protocol.
const talksFiles = "/get/"

// nameMark ends the identity of an origin whose files are elsewhere.
const nameMark = "{name}"

// identity is what a store remembers of an origin: its URL and, where its files are not
// where the protocol has them, how theirs are made, as in http://host/base/{name}. Where
// the names come from does not matter to what the files are.
func (f *listingFlags) identity(base string) string {
	if below := f.layout.FilesBelow(); below != talksFiles {
		return base + below + nameMark
	}
	return base
}

// baseOf is the URL of an identity.
func (f *listingFlags) baseOf(id string) string {
	return strings.TrimSuffix(id, f.layout.FilesBelow()+nameMark)
}

// filesURL is what the URLs of an origin's files begin with.
func (f *listingFlags) filesURL(id string) string { return f.baseOf(id) + f.layout.FilesBelow() }

// parseIdentity is originID of an identity as it is shown.
func parseIdentity(raw string) (string, error) {
	base, ok := strings.CutSuffix(raw, "/"+nameMark)
	if !ok {
		return originID(raw)
	}
	id, err := originID(base)
	return id + "/" + nameMark, err
}

// openNames opens the list of --names, nil without.
func (f *listingFlags) openNames(id string, log zerolog.Logger) (*namelist.Lister, error) {
	if f.names == "" {
		return nil, nil
	}
	l, err := namelist.Open(namelist.Options{Path: f.names, Null: f.null, Files: f.filesURL(id), Log: log})
	if err != nil {
		return nil, usagef("--names: %w", err)
	}
	return l, nil
}

// errNamesOnce is a pipe where a list has to be read again and again.
var errNamesOnce = usagef("--refresh-every needs a list that can be read again: give a file to --names")

// anyFile is a name that no origin has, to see whether it is there.
const anyFile = ".motefs-probe"

// reach asks the origin for its first page or, where others list, for any file: whatever
// it answers, it is there.
func (s *session) reach(ctx context.Context) error {
	if s.names == nil {
		_, err := s.client.List(ctx, "")
		return err
	}
	var answer error
	err := s.client.Fetch(ctx, []string{anyFile}, mirror.Receiver{Receive: func(_ int, _ *mirror.Object, err error) { answer = err }})
	if _, ok := errors.AsType[*mirror.StatusError](answer); ok || err != nil || !mirror.Temporary(answer) {
		return err
	}
	return answer
}

// twice is how many names stood in the list for files that it has more than once, as far
// as that was seen.
func (s *session) twice() uint64 {
	if s.names == nil {
		return 0
	}
	p := s.store.Progress()
	n, whole := s.names.Counted()
	if once := p.Files + p.Skipped; whole && uint64(n) > once {
		return uint64(n) - once
	}
	return 0
}
