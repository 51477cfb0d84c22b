package text

import (
	"fmt"
	"math"
	"time"
)

// Count writes a number with its thousands apart.
func Count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Short writes a number in at most five characters: 999, 12.3k, 457M, 1.2G.
func Short(n uint64) string {
	v, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T", "P", "E"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, u
	}
	switch {
	case unit == "":
		return fmt.Sprint(n)
	case v < 99.95:
		return fmt.Sprintf("%.1f%s", v, unit)
	}
	return fmt.Sprintf("%.0f%s", v, unit)
}

// Bytes writes a number of bytes with a unit.
func Bytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// Span writes a time in the two units that matter: 42s, 3m12s, 5h07m, 12d4h.
func Span(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s%86400/3600)
}

// century is the longest time that is written, in seconds: a time.Duration holds not much more
// than two.
const century = 100 * 365 * 86400

// Seconds writes a time as Span does, of any number of seconds.
func Seconds(n uint64) string {
	if n > century {
		return "over 100 years"
	}
	return Span(time.Duration(n) * time.Second)
}

// Percent writes a part of a whole, rounded down. Only the whole is 100 %.
func Percent(part, whole uint64) string {
	if whole == 0 || part >= whole {
		return "100 %"
	}
	p := 100 * float64(part) / float64(whole)
	if p < 10 {
		return fmt.Sprintf("%.1f %%", math.Floor(10*p)/10)
	}
	return fmt.Sprintf("%.0f %%", min(math.Floor(p), 99))
}
