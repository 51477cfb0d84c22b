package main

import (
	"errors"
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/rs/zerolog"
)

const (
	// enoughDescriptors is how many files a process has to be allowed to have open so
	// that the tables of a large store, and connections for a mirror and its readers,
	// find their places.
	enoughDescriptors = 256
	// Of those, baseDescriptors are what the process has in any case, and each
	// connection of a mirror takes batchDescriptors: itself, and the long files that
	// wait for the proof whose they are. All of them wait for each other where there
	// are fewer.
	baseDescriptors, batchDescriptors = 40, 12
	// enoughMemory is how many bytes a mirror with the default --connections and a
	// mount need.
	enoughMemory = 256 << 20
	// memoryReserve is the part of the limit that is left to what neither Go nor the
	// store counts: threads, the program itself, the kernel's buffers.
	memoryReserve = 8 // an eighth
	// segmentsMemory is how many bytes a mirror in segments takes at most, however many the machine has:
	// more would not make it faster.
	segmentsMemory = 192 << 20
)

// limited fits the process, and the store that it is about to open, to the limits that
// it runs under.
func limited(o cache.Options) cache.Options {
	o.Descriptors = descriptorLimit(o.Log)
	o.Memory = memoryLimit(o.Log)
	if o.Memory > 0 {
		limitHeap(o.Memory, o.OffHeap(), o.Log)
	}
	return o
}

// limitedSegments fits the process to what a mirror in segments may take, in bytes, which it returns.
func limitedSegments(log zerolog.Logger) int64 {
	memory := memoryLimit(log)
	if memory <= 0 {
		memory = segmentsMemory
	}
	memory = min(memory, segmentsMemory)
	limitHeap(memory, cluster.OffHeap(), log)
	return memory
}

// limitHeap has Go's memory be what offHeap and memoryReserve leave, unless the user says something else (GOMEMLIMIT).
func limitHeap(memory, offHeap int64, log zerolog.Logger) {
	heap := uint64(max(memory-memory/memoryReserve-offHeap, memory/memoryReserve))
	if _, err := memlimit.Set(memlimit.WithProvider(memlimit.Limit(heap)), memlimit.WithRatio(1)); err != nil {
		log.Warn().Err(err).Msg("Go's memory is not limited")
	}
}

// descriptorLimit is how many files may be open; too few are told of.
func descriptorLimit(log zerolog.Logger) int {
	limit := cache.DescriptorLimit()
	if limit < enoughDescriptors {
		log.Warn().Int("limit", limit).Int("enough", enoughDescriptors).Int("connections", connectionsWith(limit)).
			Msg("few files may be open at a time (ulimit -n): a mirror has few connections, and readers may get errors")
	}
	return limit
}

// connectionsWith is how many connections a mirror may have with few descriptors.
func connectionsWith(descriptors int) int {
	return max(1, (descriptors-baseDescriptors)/batchDescriptors)
}

// memoryLimit is how many bytes the control group allows, 0 where it does not say.
func memoryLimit(log zerolog.Logger) int64 {
	limit, err := memlimit.FromCgroup()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
		return 0
	case err != nil:
		log.Debug().Err(err).Msg("no limit of memory is known")
		return 0
	}
	if limit < enoughMemory {
		log.Warn().Uint64("limit_mib", limit>>20).Int("enough_mib", enoughMemory>>20).
			Msg("little memory (control group): give fewer --connections if the process is killed")
	}
	return int64(min(limit, math.MaxInt64))
}
