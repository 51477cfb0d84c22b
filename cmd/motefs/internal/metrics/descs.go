package metrics

import "github.com/prometheus/client_golang/prometheus"

// descs are all metrics of the Collector, in the order in which they were described.
var descs []*prometheus.Desc

func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("motefs_"+name, help, labels, nil)
	descs = append(descs, d)
	return d
}

// What the store holds.
var (
	files           = desc("files", "Files that the origin listed, by what became of them.", "state")
	failedFiles     = desc("failed_files", "Files that could not be fetched, by why; it is counted now and then.", "reason")
	directories     = desc("directories", "Directories that the names make.")
	skippedNames    = desc("skipped_names", "Names of the listing that no filesystem can hold, and that were left out.")
	contentBytes    = desc("store_content_bytes", "Length of the contents that are in the store.")
	diskBytes       = desc("store_disk_bytes", "What the store takes of its disk; it is looked at now and then.")
	diskFreeBytes   = desc("store_disk_free_bytes", "What is free of the store's disk.")
	storeBroken     = desc("store_broken", "1 where nothing can be written to the store any more, until it is opened again.")
	storeDamaged    = desc("store_damaged", "1 where something in the store was found that cannot be read.")
	listingComplete = desc("listing_complete", "1 where every name of the origin is in the store.")
	lastSuccess     = desc("last_success_timestamp_seconds", "When the walk over the listing began that was the last to come to its end; 0: none was.")
)

// What goes on.
var (
	state            = desc("state", "1 for what the process is doing now, 0 for what it is not.", "state")
	originUp         = desc("origin_up", "1 where the origin gave something when it was last asked, 0 where it gave nothing.")
	connections      = desc("origin_connections", "Open connections to the origin.")
	listedNames      = desc("listed_names_total", "Names that came in pages of the listing.")
	fetchedFiles     = desc("fetched_files_total", "Contents that came from the origin and were stored, for the mirror or for readers.")
	fetchedBytes     = desc("fetched_bytes_total", "Length of these contents.")
	originRequests   = desc("origin_requests_total", "Requests to the origin, by what they were for and how they were answered.", "op", "code")
	originRetries    = desc("origin_retries_total", "Files and pages that had to be asked for again, by why.", "reason")
	throttledSeconds = desc("throttled_seconds_total", "Time in which something waited because the origin said 429, or 503 with Retry-After.")
	originDuration   = desc("origin_request_duration_seconds", "Time from a request to the end of its response: of pages all, of files the first of each batch on a connection.", "op")
)

// What a mount is asked.
var (
	fuseRequests  = desc("fuse_requests_total", "Requests of the kernel; what it answers from its own caches is none.", "op")
	fuseErrors    = desc("fuse_errors_total", "Requests of the kernel that ended in an error; a name that is not there is none.", "op", "errno")
	fuseDuration  = desc("fuse_request_duration_seconds", "Time to answer a request of the kernel, of one in 64 of each kind.", "op")
	fuseWait      = desc("fuse_fetch_duration_seconds", "Time that requests of the kernel waited for a file to come from the origin.")
	fuseReadBytes = desc("fuse_read_bytes_total", "Bytes that READ requests returned.")
	fusePanics    = desc("fuse_panics_total", "Requests of the kernel that met a bug, and ended in EIO.")
)

// How the store's database is.
var (
	stalls            = desc("store_stalls_total", "Times that the database had writes wait.")
	stalledSeconds    = desc("store_stalled_seconds_total", "Time for which the database had writes wait.")
	debtBytes         = desc("store_compaction_debt_bytes", "What has to be put together until no level is too large.")
	compactions       = desc("store_compactions_total", "Compactions of the database.")
	failedCompactions = desc("store_failed_compactions_total", "Compactions that failed.")
	compacting        = desc("store_compactions_running", "Compactions that are under way.")
	flushes           = desc("store_flushes_total", "Flushes of what was in memory to the disk.")
	memtableBytes     = desc("store_memtable_bytes", "What the database has in memory and not on the disk.")
	databaseBytes     = desc("store_database_bytes", "What the database's files take; longer contents are files of their own.")
	cacheBytes        = desc("store_cache_bytes", "Blocks of the database that are kept in memory.")
	cacheHits         = desc("store_cache_hits_total", "Blocks of the database that were found in memory.")
	cacheMisses       = desc("store_cache_misses_total", "Blocks of the database that had to be read.")
	levelTables       = desc("store_level_tables", "Tables of the database, by level.", "level")
	levelBytes        = desc("store_level_bytes", "Length of the tables of the database, by level.", "level")
	levelSublevels    = desc("store_level_sublevels", "Tables over each other that a reader may have to look into, by level.", "level")
)
