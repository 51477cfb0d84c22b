package origin

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

// Layout says where a service has its listing and its files, and how it writes its
// pages. The zero value is the talk's protocol. ORIGINS.md has examples.
//
// A field of a page is named by the keys that lead to it, joined by dots: "meta.next"
// is the next of the object meta, or a key of that very name.
type Layout struct {
	// ListPath is where the first page is, below BaseURL and percent-encoded; it may
	// have a query. "." is BaseURL itself, and "./" with a slash at its end. Default: list.
	ListPath string
	// GetPath is where the files are: at BaseURL/GetPath/NAME, with "." at
	// BaseURL/NAME. It is percent-encoded. Default: get.
	GetPath string
	// MarkerParam is the parameter of the query that says which page is asked for.
	// Default: next-marker.
	MarkerParam string
	// NamesField is the array of names, or of objects that have them; "." is a page
	// that is itself the array. Default: FileNames.
	NamesField string
	// NextField is the next page's marker, a string or a number, or its whole URL on
	// the same host. There is none where it is missing, null, false or empty. Of a
	// page that is an array, the response's Link of the relation next is the URL.
	// Default: NextFile.
	NextField string
	// NameField, SizeField, ModTimeField and ETagField are those of an object in the
	// array: a string or an integer; bytes; seconds or milliseconds since 1970, RFC
	// 3339 or the format of HTTP; an ETag, with or without its quotes. Only the
	// first must be there. Defaults: name, size, mtime, etag.
	NameField, SizeField, ModTimeField, ETagField string
}

// Those of the talk's protocol, and of objects in the array of names.
const (
	defaultListPath    = "list"
	defaultGetPath     = "get"
	defaultMarkerParam = "next-marker"
	defaultNamesField  = "FileNames"
	defaultNextField   = "NextFile"
)

// EnsureDefaults fills every unset field with its default.
func (l *Layout) EnsureDefaults() {
	for field, value := range map[*string]string{
		&l.ListPath: defaultListPath, &l.GetPath: defaultGetPath, &l.MarkerParam: defaultMarkerParam,
		&l.NamesField: defaultNamesField, &l.NextField: defaultNextField,
		&l.NameField: "name", &l.SizeField: "size", &l.ModTimeField: "mtime", &l.ETagField: "etag",
	} {
		if *field == "" {
			*field = value
		}
	}
}

// Given reports whether anything but where the files are is not the talk's.
func (l Layout) Given() bool {
	l.GetPath = ""
	return l != Layout{}
}

// Validate reports every problem of a layout that has its defaults.
func (l *Layout) Validate() error {
	var problems []error
	for _, p := range []struct{ what, path, not string }{{"list path", l.ListPath, "#"}, {"get path", l.GetPath, "?#"}} {
		switch {
		case strings.ContainsAny(p.path, p.not):
			problems = append(problems, fmt.Errorf("%s %q: it has one of %q in it", p.what, p.path, p.not))
		case strings.Contains(p.path, "://"):
			problems = append(problems, fmt.Errorf("%s %q: give what comes behind the base URL", p.what, p.path))
		}
	}
	if strings.ContainsAny(l.MarkerParam, "&=#?") {
		problems = append(problems, fmt.Errorf("marker parameter %q: give its name alone", l.MarkerParam))
	}
	if l.NextField == l.NamesField {
		problems = append(problems, fmt.Errorf("names and the next page cannot both be in %q", l.NextField))
	}
	return errors.Join(problems...)
}

// FilesBelow is what the URLs of files begin with, below a base URL: "/get/".
func (l Layout) FilesBelow() string {
	l.EnsureDefaults()
	path := strings.Trim(strings.TrimPrefix(l.GetPath, "./"), "/")
	if path == "." || path == "" {
		return "/"
	}
	return "/" + cleanTarget(path) + "/"
}

// layout is a Layout below a base.
type layout struct {
	list  string // the target of the first page
	param string
	files string // what targets of files begin with
	words *words // nil for the talk's protocol
	// tag begins the markers and ETags of pages in other words: those of another
	// listing are not taken for them.
	tag string
}

// below resolves the paths.
func (l *Layout) below(b *base) *layout {
	r := &layout{list: b.path + "/" + cleanTarget(strings.TrimLeft(l.ListPath, "/")), param: l.MarkerParam, files: b.path + l.FilesBelow()}
	if rest, ok := strings.CutPrefix(l.ListPath, "."); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		r.list = b.path + cleanTarget(rest)
		if !strings.HasPrefix(r.list, "/") {
			r.list = "/" + r.list
		}
	}
	if l.ListPath == defaultListPath && l.MarkerParam == defaultMarkerParam && l.NamesField == defaultNamesField && l.NextField == defaultNextField {
		return r
	}
	r.words = &words{names: l.NamesField, next: l.NextField, name: l.NameField, size: l.SizeField, modTime: l.ModTimeField, etag: l.ETagField}
	sum := fnv.New32a()
	_, _ = fmt.Fprintf(sum, "%q", []string{r.list, r.param, l.NamesField, l.NextField, l.NameField}) // a hash never fails
	r.tag = fmt.Sprintf("%slist %08x ", mirror.OwnMarker, sum.Sum32())
	return r
}

// untagged is a marker, or an ETag, as the origin said it; false where it is of another
// listing. The empty one is every listing's.
func (l *layout) untagged(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	if l.words == nil {
		return s, !strings.HasPrefix(s, mirror.OwnMarker)
	}
	return strings.CutPrefix(s, l.tag)
}

// page is the target of the page at a marker, which is the origin's word.
func (c *Client) page(marker string) (string, error) {
	l := c.layout
	if marker == "" {
		return l.list, nil
	}
	if l.words != nil && wholeURL(marker) {
		return c.pageAt(marker)
	}
	before := "?"
	if strings.Contains(l.list, "?") {
		before = "&"
	}
	target := append(files.AppendQuery([]byte(l.list+before), l.param), '=')
	return string(files.AppendQuery(target, marker)), nil
}

// wholeURL reports whether a marker is a URL.
func wholeURL(marker string) bool {
	scheme, _, ok := strings.Cut(marker, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// pageAt is the target of the page at a URL. Behind a proxy many services say http
// where they are asked by https; the connection is the base's in any case.
func (c *Client) pageAt(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", listingError("the next page is at %.200q, which is no URL", withoutSecrets(raw))
	}
	// A URL without a port is at that of its scheme, whichever of the two that is.
	samePort := wire.PortOf(u) == wire.PortOf(c.base.url) || u.Port() == "" && c.base.url.Port() == ""
	if !strings.EqualFold(u.Hostname(), c.base.url.Hostname()) || !samePort || u.User != nil {
		return "", listingError("the next page is at %q, on another host than %s", withoutSecrets(raw), c.base.url.Host)
	}
	return cleanTarget(u.RequestURI()), nil
}

// endOf is the last component of a target's path: what that of a redirect ends in.
func endOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	path = strings.TrimRight(path, "/")
	end := path[strings.LastIndexByte(path, '/')+1:]
	if plain, err := url.PathUnescape(end); err == nil {
		end = plain
	}
	return end
}

// appendTarget appends the target of the request for a name.
func (l *layout) appendTarget(dst []byte, name string) []byte {
	return files.AppendName(append(dst, l.files...), name)
}
