package wire

import (
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// BenchmarkGet measures batches of 1,000 files of 100 bytes; one operation is one
// file.
func BenchmarkGet(b *testing.B) {
	s := wiretest.Replay(b)
	c := newClient(b, Options{URL: s.Base(), Timeouts: DefaultTimeouts})
	batch := take(numbered(1000), func(_ int, _ *Answer, err error) {
		if err != nil {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	for n := 0; n < b.N; n += batch.Len {
		if err := c.Get(b.Context(), batch); err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
