package clustertest

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/motefs/motefs/mirror/segments"
)

// TestUnfitObjectStore has an object store that ignores If-None-Match. One process alone refuses
// it, also with a server of its own; with NATS two processes make one mirror there, each segment of which was committed once, and
// without NATS nobody joins them.
func TestUnfitObjectStore(t *testing.T) {
	t.Parallel()
	memory := objectstest.New(objectstest.Options{NoCondition: true})
	server := httptest.NewServer(&objectstest.S3{Memory: memory, Bucket: bucketIs, Key: sigv4.Key{AccessKey: versitygw.AccessKey, SecretKey: versitygw.SecretKey, Region: versitygw.Region}})
	t.Cleanup(server.Close)
	const files = 500
	origin := origintest.New(t, serve.Options{PageSize: 70}, serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 33}))
	mirror := func(more ...string) *process.Process {
		args := append([]string{
			"mirror", "--config", os.DevNull, "--store", t.TempDir(), "--segments", "s3://" + bucketIs, "--segments-endpoint-url", server.URL,
			"--segments-region", versitygw.Region, "--segments-path-style", "on", "--segment-names", fmt.Sprint(segmentNames), "--progress", "none",
		}, more...)
		return process.Start(t, program(append(args, origin.URL())...))
	}
	// An embedded server forgets who was first as its process ends.
	for _, more := range [][]string{nil, {"--cluster", "embedded", "--cluster-listen", "127.0.0.1:0"}} {
		alone := mirror(more...)
		if status := alone.Wait(); status != 1 || !strings.Contains(alone.Stderr.String(), "cannot hold a mirror") {
			t.Errorf("alone with %q: status %d: %s", more, status, alone)
		}
	}
	nats := natstest.New(t, 1)
	both := []*process.Process{mirror("--cluster", nats.URL()), mirror("--cluster", nats.URL())}
	for _, p := range both {
		if status := p.Wait(); status != 0 || !strings.Contains(p.Stdout.String(), fmt.Sprintf("%d listed, %d fetched", files, files)) {
			t.Errorf("status %d: %s", status, p)
		}
	}
	if !strings.Contains(both[0].Stderr.String()+both[1].Stderr.String(), "cannot say who was first") {
		t.Errorf("nobody says so: %s\n%s", both[0], both[1])
	}
	names, commits := 0, 0
	for name := range memory.Objects() {
		switch {
		case strings.HasPrefix(name, segments.NamesPrefix):
			names++
		case strings.HasPrefix(name, segments.CommitsPrefix):
			commits++
		}
	}
	if names < files/segmentNames || commits != names {
		t.Errorf("%d name segments, %d commits", names, commits)
	}
	late := mirror()
	if status := late.Wait(); status != 2 || !strings.Contains(late.Stderr.String(), "give --cluster") {
		t.Errorf("without NATS: status %d: %s", status, late)
	}
	late = mirror("--cluster", nats.URL())
	if status := late.Wait(); status != 0 {
		t.Errorf("one that comes late: status %d: %s", status, late)
	}
	// Nothing is left in NATS but a note, and the claims.
	all := nats.JetStream().StreamNames(t.Context())
	for name := range all.Name() {
		if name != "motefs-complete" && !strings.HasPrefix(name, "KV_motefs_claims_") {
			t.Errorf("%s is left in NATS", name)
		}
	}
	must(t, all.Err())
}
