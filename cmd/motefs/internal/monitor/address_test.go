package monitor

import (
	"os"
	"testing"
)

func TestAddress(t *testing.T) {
	for given, want := range map[string]string{
		"9400": "127.0.0.1:9400", ":9400": "127.0.0.1:9400", "0": "127.0.0.1:0",
		"127.0.0.1:9400": "127.0.0.1:9400", "0.0.0.0:9400": "0.0.0.0:9400", "[::]:9400": "[::]:9400",
		"[::1]:9400": "[::1]:9400", "localhost:9400": "localhost:9400", "node1.example.org:80": "node1.example.org:80",
	} {
		if got, err := Address(given); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", given, got, err, want)
		}
	}
	for _, given := range []string{"", "127.0.0.1", "host", ":", ":http", "127.0.0.1:65536", "127.0.0.1:-1", "::1:9400", "http://127.0.0.1:9400", "a:b:c", "127.0.0.1:9400/metrics"} {
		if got, err := Address(given); err == nil {
			t.Errorf("%q is taken for %q", given, got)
		}
	}
}

// TestNames lets a browser ask under names of this machine alone: what another site's DNS
// server says of that site's name is its own affair.
func TestNames(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	n := newNames("node1.example.org:9400", []string{"Metrics.Example.com."})
	for _, good := range []string{
		"127.0.0.1:9400", "127.0.0.1", "10.1.2.3:9400", "[::1]:9400", "[::1]", "[fe80::1%25eth0]:9400", "localhost:9400", "LOCALHOST", "localhost.",
		host + ":9400", "node1.example.org:9400", "NODE1.example.org", "metrics.example.com:1", "metrics.example.com.",
	} {
		if err := n.check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ":9400", "evil.example", "evil.example:9400", "127.0.0.1.evil.example:9400", "localhost.evil.example", "node1.example.org.evil.example:9400",
		"0x7f000001", "2130706433:9400", "127.1:9400", "127.0.0.1:9400:9400", "127.0.0.1 evil.example", "example.com",
	} {
		if err := n.check(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, bad := range []string{"", "http://node1", "node1:9400", "*", "a b"} {
		if err := CheckNames([]string{"good.example", bad}); err == nil {
			t.Errorf("the name %q is taken", bad)
		}
	}
}
