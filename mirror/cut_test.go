package mirror

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// TestMillionsOfNamesInAPage cuts batches from a page of five million names: that
// takes the names of the batches that wait, and of one more.
func TestMillionsOfNamesInAPage(t *testing.T) {
	const count = 2_000_000
	const most = 2 << 20 // bytes, beside the page
	e := &Engine{store: openStore(t), counts: &counters{}}
	r := newRun(e, 4)
	names, released := 0, false
	page := Page{Next: "next", Decode: func(dst []Listed, most int, _ func(string, error)) ([]Listed, bool, error) {
		for range min(most, count-names) {
			dst = append(dst, Listed{Name: fmt.Sprintf("%08d", names), Size: -1})
			names++
		}
		return dst, names < count, nil
	}}
	pages := make(chan listed, 1)
	pages <- listed{Page: page, release: func() { released = true }}
	close(pages)
	before := heap()
	cut := make(chan error, 1)
	go func() {
		defer close(r.queue)
		c := &cutter{r: r, budget: newBudget(nameBudget)}
		cut <- c.run(context.Background(), pages)
	}()
	n, batches := 0, 0
	for b := range r.queue {
		if n += b.page.Len(); b.page.Len() != batchSize && n != count || b.mark.Listing != (n == count) {
			t.Fatalf("batch %d has %d names, and the mark %+v", batches, b.page.Len(), b.mark)
		}
		if batches++; batches%500 == 0 {
			if now := heap(); now > before+most {
				t.Fatalf("after %d names, %d bytes are held", n, now-before)
			}
		}
		if err := r.track.finish(b, true); err != nil {
			t.Fatal(err)
		}
		b.release()
	}
	if err := <-cut; err != nil || n != count || !released {
		t.Errorf("%d names, page released %v, %v", n, released, err)
	}
}

// TestNamesOfBatchesAreBounded has long names, connections that are all busy, and
// room for any number of batches in the queue.
func TestNamesOfBatchesAreBounded(t *testing.T) {
	const long = 200
	const most = nameBudget / (batchSize * long) // batches
	e := &Engine{store: openStore(t), counts: &counters{}}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRun(e, 1000)
		pages, n := make(chan listed, 1), 0
		pages <- listed{release: func() {}, Page: Page{Next: "next", Decode: func(dst []Listed, most int, _ func(string, error)) ([]Listed, bool, error) {
			for range most {
				n++
				dst = append(dst, Listed{Name: fmt.Sprintf("%0*d", long, n)})
			}
			return dst, true, nil
		}}}
		cut := make(chan error, 1)
		go func() { cut <- (&cutter{r: r, budget: newBudget(nameBudget)}).run(ctx, pages) }()
		for range 3 {
			synctest.Wait()
			if len(r.queue) != most {
				t.Fatalf("%d batches of %d names are queued, not %d", len(r.queue), batchSize, most)
			}
			for range 10 {
				(<-r.queue).release()
			}
		}
		synctest.Wait()
		cancel()
		if err := <-cut; !errors.Is(err, context.Canceled) {
			t.Errorf("the cutter ends with %v", err)
		}
	})
}
