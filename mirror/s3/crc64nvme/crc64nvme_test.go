package crc64nvme

import (
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// TestPublished is the check value of the catalogue of CRCs (CRC-64/NVME), and test vectors
// of the NVM Command Set Specification.
func TestPublished(t *testing.T) {
	zeros := make([]byte, 4096)
	ones := make([]byte, 4096)
	for i := range ones {
		ones[i] = 0xff
	}
	for _, c := range []struct {
		text []byte
		want uint64
	}{
		{nil, 0},
		{[]byte("123456789"), 0xae8b14860a799888},
		{zeros, 0x6482d367eb22b64e},
		{ones, 0xc0ddba7302eca3ac},
	} {
		if got := Checksum(c.text); got != c.want {
			t.Errorf("%.10q: %x, want %x", c.text, got, c.want)
		}
	}
}

// TestSameAsTheLibrary sums up texts in pieces, as hash/crc64 does at once.
func TestSameAsTheLibrary(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	table := crc64.MakeTable(polynomial)
	for range 300 {
		text := make([]byte, rng.IntN(5000))
		for i := range text {
			text[i] = byte(rng.Uint32())
		}
		want := crc64.Checksum(text, table)
		if got := Checksum(text); got != want {
			t.Fatalf("%d bytes: %x, want %x", len(text), got, want)
		}
		h := New()
		h.Write([]byte("before"))
		h.Reset()
		for rest := text; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			h.Write(rest[:n])
			rest = rest[n:]
		}
		if got := fmt.Sprintf("%x", h.Sum([]byte{0xab})); got != fmt.Sprintf("ab%016x", want) || h.Sum64() != want {
			t.Fatalf("%d bytes in pieces: %s, want %016x", len(text), got, want)
		}
	}
}

// BenchmarkChecksum is beside hash/crc64.
func BenchmarkChecksum(b *testing.B) {
	table := crc64.MakeTable(polynomial)
	for _, n := range []int{100, 64 << 10} {
		text := make([]byte, n)
		b.Run(fmt.Sprintf("ours/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Checksum(text)
			}
		})
		b.Run(fmt.Sprintf("library/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				crc64.Checksum(text, table)
			}
		})
	}
}
