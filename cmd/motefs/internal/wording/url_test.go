package wording

import (
	"strings"
	"testing"
)

func TestNotURL(t *testing.T) {
	for raw, want := range map[string]string{
		"":                       "the origin is empty",
		"127.0.0.1:8080":         "the scheme is missing; give http://127.0.0.1:8080 or https://127.0.0.1:8080",
		"localhost:8080/a":       "give http://localhost:8080/a or https://localhost:8080/a",
		"example.org/a":          "the scheme is missing",
		"[::1]:80":               "the scheme is missing",
		"data":                   "it is not a URL; give one such as",
		"/srv/data":              "motefs serve DIR",
		"./data":                 "motefs serve DIR",
		"ftp://host":             "the scheme ftp is not known",
		"gs://bucket/a":          "give s3://bucket/a --endpoint-url https://storage.googleapis.com",
		"s3:bucket":              "give s3://bucket",
		"S3:/bucket":             "give s3://bucket",
		"http://host:port":       "its port is no number",
		"http://host:99999":      "its port is no number",
		"http://host:0/a":        "its port is no number",
		"http://[::1":            "a bracket is missing",
		"http://a b/":            "a space or a control character",
		"http://host/\x01":       "a space or a control character",
		"http://host/%zz":        "percent sign is written %25",
		"http://":                "it has no host",
		"http:///path":           "it has no host",
		"http://:8080":           "it has no host",
		"http://ho\"st":          "it is not a URL",
		"https://" + "[::1]:x/y": "its port is no number",
	} {
		got := NotURL(raw).Error()
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s; want %q", raw, got, want)
		}
		for _, goism := range []string{"parse", "segment", "strconv", "net/url"} {
			if strings.Contains(got, goism) {
				t.Errorf("%q: %s", raw, got)
			}
		}
	}
}
