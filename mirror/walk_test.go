package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror"
)

// pagesOf is a Lister of pages of one name each, called like their markers.
type pagesOf map[string]struct {
	next string
	err  error
	fail int // so many requests fail first
}

func (p pagesOf) List(_ context.Context, marker string) (mirror.Page, error) {
	page, ok := p[marker]
	switch {
	case !ok:
		return mirror.Page{}, &mirror.StatusError{Code: 400}
	case page.err != nil && page.fail != 0:
		page.fail--
		p[marker] = page
		return mirror.Page{}, page.err
	}
	return mirror.Page{Next: page.next, Size: 1, Decode: func(dst []mirror.Listed, _ int, _ func(string, error)) ([]mirror.Listed, bool, error) {
		return append(dst, mirror.Listed{Name: "at " + marker}), false, nil
	}}, nil
}

func (p pagesOf) Fetch(context.Context, []string, mirror.Receiver) error { return nil }

// TestWalk walks listings without a store.
func TestWalk(t *testing.T) {
	away := &mirror.StatusError{Code: 503}
	stop := errors.New("enough")
	for what, tc := range map[string]struct {
		pages pagesOf
		from  string
		stop  string // the page at which take returns stop
		want  []string
		err   error
	}{
		"from the beginning":         {pages: pagesOf{"": {next: "b"}, "b": {next: "c"}, "c": {}}, want: []string{"", "b", "c"}},
		"from a marker":              {pages: pagesOf{"": {next: "b"}, "b": {next: "c"}, "c": {}}, from: "b", want: []string{"b", "c"}},
		"a marker that is refused":   {pages: pagesOf{"": {}}, from: "b", err: mirror.ErrMarker},
		"all is refused":             {pages: pagesOf{}, from: "b", err: &mirror.StatusError{Code: 400}},
		"a page that fails at first": {pages: pagesOf{"": {next: "b"}, "b": {err: away, fail: 3}}, want: []string{"", "b"}},
		"a page that fails for good": {pages: pagesOf{"": {next: "b"}, "b": {err: away, fail: -1}}, want: []string{""}, err: mirror.ErrOutage},
		"a circle":                   {pages: pagesOf{"": {next: "b"}, "b": {next: "c"}, "c": {next: "b"}}, err: mirror.ErrListing},
		"whoever takes has enough":   {pages: pagesOf{"": {next: "b"}, "b": {next: "c"}, "c": {}}, stop: "b", want: []string{"", "b"}, err: stop},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, err := mirror.Open(mirror.Options{Lister: tc.pages, Fetcher: tc.pages})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				var got []string
				err = e.Walk(t.Context(), tc.from, func(p mirror.WalkedPage) error {
					names, _, err := p.Decode(nil, 10, nil)
					if err != nil || len(names) != 1 || names[0].Name != "at "+p.Marker {
						t.Errorf("page %q has %v, %v", p.Marker, names, err)
					}
					got = append(got, p.Marker)
					if tc.stop != "" && p.Marker == tc.stop {
						return stop
					}
					return nil
				})
				if tc.want != nil && !slices.Equal(got, tc.want) {
					t.Errorf("pages %q, and not %q", got, tc.want)
				}
				var status, want *mirror.StatusError
				if errors.As(tc.err, &want) {
					if !errors.As(err, &status) || status.Code != want.Code || errors.Is(err, mirror.ErrMarker) {
						t.Errorf("%v", err)
					}
				} else if !errors.Is(err, tc.err) {
					t.Errorf("%v, and not %v", err, tc.err)
				}
			})
		})
	}
}

// TestShare has engines share a limit: each has its part.
func TestShare(t *testing.T) {
	for _, n := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			src := pagesOf{"": {}}
			e, err := mirror.Open(mirror.Options{Lister: src, Fetcher: src, LimitFiles: 100, LimitRate: 1000})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			e.Share(n)
			began := time.Now()
			files := mirror.TakeAll(t.Context(), e, 1000)
			if rate := float64(files) / time.Since(began).Seconds(); rate < 90/float64(n) || rate > 110/float64(n) {
				t.Errorf("%d engines: %s a second each", n, fmt.Sprint(rate))
			}
		})
	}
}
