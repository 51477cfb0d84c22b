package main

import (
	"io"
	"maps"
	"net/http"
	"os"
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
)

const (
	// headerVariable holds fields of a header, as a file of --header @FILE does.
	headerVariable = "MOTEFS_HEADER"
	// maxHeaderFile bounds such a file, in bytes. Servers take 8 to 64 KiB.
	maxHeaderFile = 64 << 10
)

// header returns the fields that every request has: those of the environment, and
// those of --header, which replace those of the same name. Errors never show a
// field, of which any part may be a secret: a forgotten colon makes the value part
// of the name.
func (f *sourceFlags) header() (http.Header, error) {
	all, given := http.Header{}, http.Header{}
	if err := addFields(all, strings.NewReader(os.Getenv(headerVariable)), headerVariable); err != nil {
		return nil, err
	}
	for _, text := range f.headers {
		path, isFile := strings.CutPrefix(text, "@")
		if !isFile {
			if !addField(given, text) {
				return nil, usagef("--header: give 'Name: value' or @FILE")
			}
			continue
		}
		file, err := os.Open(path) //nolint:gosec // the file that the user names
		if err != nil {
			return nil, usagef("--header @%s: %w", path, wording.Cause(err))
		}
		err = addFields(given, file, "--header @"+path)
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	maps.Copy(all, given)
	return all, nil
}

// addFields reads fields, one a line. Empty lines and those that begin with # are
// left out.
func addFields(header http.Header, r io.Reader, from string) error {
	text, err := io.ReadAll(io.LimitReader(r, maxHeaderFile+1))
	if err != nil {
		return usagef("%s: %w", from, err)
	}
	if len(text) > maxHeaderFile {
		return usagef("%s: longer than %d bytes", from, maxHeaderFile)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !addField(header, line) {
			return usagef("%s: line %d is not 'Name: value'", from, n)
		}
	}
	return nil
}

func addField(header http.Header, text string) bool {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return false
	}
	header.Add(name, strings.TrimSpace(value))
	return true
}
