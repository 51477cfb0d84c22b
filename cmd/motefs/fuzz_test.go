package main

import (
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/motefs/motefs/mirror/origin"
	"github.com/spf13/pflag"
)

// FuzzFlags gives every flag that is no number or text of the library's own. A value
// is refused or within its bounds, and what the help shows is taken again.
func FuzzFlags(f *testing.F) {
	for _, text := range []string{"", "0", "-1", "10%", "100.5%", "NaN%", "1e3%", "64K", "10mib", "9999999999999G", "2GiB", "IB", "022", "0777", "1000", "4294967295", "٣", "+1", "0x1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s size
		var o octal
		var id numericID
		for _, flag := range []pflag.Value{&s, &o, &id} {
			if err := flag.Set(text); err != nil {
				continue
			}
			shown := flag.String()
			if err := flag.Set(shown); err != nil || flag.String() != shown {
				t.Errorf("%q is %s, and that %s, %v", text, shown, flag, err)
			}
		}
		if s < 0 || s > 1<<62 || o > 0o777 || id.id == 1<<32-1 {
			t.Errorf("%q is %d bytes, permissions %v, the user %v", text, s, &o, &id)
		}
		var g goneLimit
		if err := g.Set(text); (err == nil) != g.Given || g.Files < 0 || !(g.Percent >= 0 && g.Percent <= 100) || g.Files > 0 && g.Percent > 0 {
			t.Errorf("%q is %+v, %v", text, g, err)
		}
		depth, err := (&sourceFlags{pipeline: text}).pipelineDepth()
		if err == nil && depth < 1 && text != "auto" && text != "" {
			t.Errorf("--pipeline %q is %d", text, depth)
		}
	})
}

// FuzzHeader reads a file of header fields, which is also what MOTEFS_HEADER is. No
// error shows any of it, and no field is more than its line.
func FuzzHeader(f *testing.F) {
	for _, text := range []string{"", "A: b", "A:b\r\n# c\n\nD : e\n", "no colon", ": x", "A: b\rC: d", "Authorization: Bearer s", "\xff: \x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		t.Setenv(headerVariable, "")
		header := map[string][]string{}
		if err := addFields(header, strings.NewReader(text), "FILE"); err != nil {
			if said := err.Error(); !strings.HasPrefix(said, "FILE: line ") && !strings.HasPrefix(said, "FILE: longer than ") || strings.Contains(said, "\n") {
				t.Fatalf("%q gives %q", text, said)
			}
			return
		}
		fields := 0
		for name, values := range header {
			fields += len(values)
			for _, field := range append(values, name) {
				if strings.ContainsAny(field, "\n") || field != strings.TrimSpace(field) || !strings.Contains(strings.ToLower(text), strings.ToLower(field)) {
					t.Fatalf("%q has the field %q of %q", text, field, name)
				}
			}
		}
		if fields > strings.Count(text, "\n")+1 {
			t.Fatalf("%q has %d fields", text, fields)
		}
	})
}

// FuzzOrigin reads the URL of an origin. What is taken for one has no secret, is
// itself when it is read again, can be asked, and names one store.
func FuzzOrigin(f *testing.F) {
	for _, raw := range []string{"", "http://h", "HTTPS://H:443/a//", "http://[::1]:80/", "http://u:p@h", "http://h?q", "http://h#", "ftp://h", "http://h/%2f/", "http://h:0x/", "http://h/ü b", "//h", "http://h%41/", "//0/@", "u:p@h"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		id, err := originID(raw)
		if err != nil {
			if strings.ContainsAny(raw, "@?#") && strings.Contains(err.Error(), raw) {
				t.Fatalf("%q gives %q", raw, err)
			}
			return
		}
		if again, err := originID(id); err != nil || again != id {
			t.Fatalf("%q is %q, and that %q, %v", raw, id, again, err)
		}
		if u, err := url.Parse(id); err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q is %q, %v", raw, id, err)
		}
		if name := storeName(id); name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
			t.Fatalf("the store of %q is %q", id, name)
		}
		if c, err := origin.New(origin.Options{BaseURL: id}); err == nil {
			c.Close()
		}
	})
}

// FuzzPrintable writes to a terminal. Nothing comes out that it would obey, and what
// is printable stays as it is.
func FuzzPrintable(f *testing.F) {
	for _, text := range []string{"", "plain\n", "\x1b[31m", "\u009b", "\u202e", "\xff", "\U000e0001", "a\tb", `\x1b`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if !utf8.ValidString(got) || printable(got) != got {
			t.Fatalf("%q becomes %q", text, got)
		}
		for _, r := range got {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
		if strings.ContainsAny(oneLine(text), "\n\t") {
			t.Fatalf("%q is more than a line", text)
		}
		if _, err := io.WriteString(plainWriter{io.Discard}, text); err != nil {
			t.Fatal(err)
		}
	})
}
