package natsbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// Three servers have a copy each, also when the third one came late.
func TestReplicas(t *testing.T) {
	c := natstest.New(t, 3)
	c.Kill(2)
	b := join(t, options(t, c.URL()))
	must(t, b.Offer(deadline(t), []uint64{1}))
	c.Start(2)
	for _, name := range []string{stream, "KV_motefs_lease_" + mirror} {
		eventually.True(t, "three copies of "+name, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			s, err := c.JetStream().Stream(ctx, name)
			return err == nil && s.CachedInfo().Config.Replicas == 3 && copies(s.CachedInfo()) == 3
		})
	}
	leader := c.Leader(stream)
	c.Kill(leader)
	c.Wipe(leader)
	c.Start(leader) // or there may be too few, where the third has just come back
	if item := pull(t, b); item.Seq() != 1 {
		t.Errorf("segment %d", item.Seq())
	}
}

// copies is how many servers have all of a stream.
func copies(info *jetstream.StreamInfo) int {
	n := 1
	if info.Cluster == nil {
		return n
	}
	for _, r := range info.Cluster.Replicas {
		if r.Current {
			n++
		}
	}
	return n
}
