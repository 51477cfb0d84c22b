package main

import (
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
)

// TestClusterStatusNames shows what others may write into NATS, which is not to reach a terminal.
func TestClusterStatusNames(t *testing.T) {
	const clear = "\x1b[2J"
	m := natsbus.Mirror{ID: "id" + clear, Lister: clear, Reports: map[string][]byte{
		"p" + clear: []byte(`{"working":[{"seq":1,"seconds":1e300}],"idle":-1,"leader":{"segments":1,"sealed":2}}`),
	}}
	lines := clusterStatusOf(&m).lines()
	if text := strings.Join(lines, "\n"); strings.Contains(text, "\x1b") || !strings.Contains(text, "0 left") {
		t.Errorf("%q", text)
	}
}
