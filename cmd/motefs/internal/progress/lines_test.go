package progress

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

func at80() *status.Status {
	return &status.Status{
		Time: time.Unix(1_700_000_000, 0), State: status.Mirroring, Prefetch: true, ListingComplete: true,
		Listed: 1_000_000, Fetched: 575_830, Failed: 12,
		FilesPerSecond: new(uint64(191_852)), BytesPerSecond: new(uint64(19_185_291)), SecondsRemaining: new(uint64(133)),
	}
}

// TestLines: what is worth most is there at every width.
func TestLines(t *testing.T) {
	for columns, want := range map[int]string{
		120: "fetching  [#################-------------]  57 %  575,830 of 1,000,000  12 failed  191,852/s  18.3 MiB/s  2m13s left",
		79:  "[########-------]  57 %  575,830 of 1,000,000  12 failed  191,852/s  2m13s left",
		19:  "[##--]  57 %  2m13s",
	} {
		if got := Lines(at80(), columns); len(got) != 1 || got[0] != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	listing := at80()
	listing.ListingComplete, listing.SecondsRemaining, listing.NamesPerSecond = false, nil, new(uint64(250_000))
	for _, columns := range []int{79, 19} {
		got := Lines(listing, columns)
		if len(got) != 2 || !strings.Contains(got[0], "listing") || !strings.Contains(got[0], "1") || strings.Contains(got[1], "%") {
			t.Errorf("%d columns, while it lists: %q", columns, got)
		}
	}
	waiting := at80()
	waiting.State, waiting.LastError = status.NoOrigin, new("dial: \x1b[2Jno\nforged")
	if got := Lines(waiting, 79); len(got) != 2 || !strings.Contains(got[1], `waiting for the origin: dial: \u001b[2Jno; forged`) {
		t.Errorf("waiting: %q", got)
	}
	refresh := at80()
	refresh.State, refresh.Refresh = status.Refreshing, &status.Refreshed{Listed: 500_000, New: 3, PerSecond: new(uint64(100_000))}
	for _, columns := range []int{100, 79, 19} {
		got := Lines(refresh, columns)
		if len(got) != 1 || !strings.Contains(got[0], "50 %") || !strings.Contains(got[0], "5s") {
			t.Errorf("%d columns, refreshing: %q", columns, got)
		}
	}
}

// TestLinesFit: at every width and with every number the lines fit.
func TestLinesFit(t *testing.T) {
	huge := &status.Status{
		Time: time.Now(), State: status.NoOrigin, Prefetch: true,
		Listed: math.MaxUint64, Fetched: math.MaxUint64 / 2, Failed: math.MaxUint64 / 4,
		NamesPerSecond: new(uint64(math.MaxUint64)), FilesPerSecond: new(uint64(math.MaxUint64)), BytesPerSecond: new(uint64(math.MaxUint64)),
		SecondsRemaining: new(uint64(math.MaxInt32)), LastError: new(strings.Repeat("名", 300)),
	}
	for _, s := range []*status.Status{at80(), huge, {}, {Prefetch: true, ListingComplete: true}, {Refresh: &status.Refreshed{}, State: status.Refreshing}} {
		for columns := range 200 {
			for _, complete := range []bool{false, true} {
				s.ListingComplete = complete
				for _, line := range Lines(s, columns) {
					if text.Width(line) > columns {
						t.Fatalf("%q takes %d of %d columns", line, text.Width(line), columns)
					}
				}
			}
		}
	}
}
