package cache

// have is what the store has of a name.
type have uint8

const (
	haveNothing have = iota
	havePending      // listed, and not fetched
	haveFailed       // the same, with a record of why
	haveHere         // its content
	haveGone         // listed, and then not at the origin
	haveDir          // a directory
	haves
)

// event is what comes to a name: first how it was met, then what became of asking the
// origin for it.
type event uint8

const (
	onListed   event = iota // by the first listing
	onRelisted              // by a refresh, and nothing says that it is another
	onChanged               // by a listing that says another size, time or ETag
	onAsked                 // by a reader
	onUnlisted              // by a refresh whose listing ended without it
	onReview                // by a refresh of contents
	onCame                  // content, for what had none
	onDiffers               // content, where the store has another, had one gone, or was told of another
	onSame                  // the content that is here, or a 304
	onMissing               // a 404 or 410 that is believed, for a name that is listed
	onRemoved               // the same, for one that is not listed any more
	onFailed                // something else than an answer
	onDir                   // a name begins with it and a slash
	events
)

// decision is what becomes of a name.
type decision uint8

const (
	keep    decision = iota // what the store has stays; what came is dropped
	add                     // it gets the page's number, and an entry of whatever comes
	ask                     // what the store has stays, and the origin is asked for it
	fill                    // the content goes under the number that it has
	vanish                  // it is gone: its entry says so, and its name leaves the run
	note                    // it stays as it is, with a record of why
	renew                   // its entry gets a new number, and the origin is asked for it
	replace                 // the content gets a new number; the old one is set aside
	remove                  // its entry goes, and its directory if that is empty then
	yield                   // the one that comes takes the other form of its name
)

// decisions is all that the store decides of names. STORE.md shows it, and
// TestDecisions compares the two.
//
// A content that comes late, for a file that somebody else has fetched meanwhile, is
// onCame and dropped: only who has asked for what is here may replace it. What is
// listed is never removed, whatever the origin says of it for a moment. What readers may
// have been told of a number stays true of it; see promise.
var decisions = [haves][events]decision{
	haveNothing: {
		onListed: add, onRelisted: add, onChanged: add, onAsked: add, onUnlisted: keep, onReview: keep,
		onCame: add, onDiffers: keep, onSame: keep, onMissing: add, onRemoved: keep, onFailed: add, onDir: add,
	},
	havePending: {
		onListed: ask, onRelisted: ask, onChanged: renew, onAsked: ask, onUnlisted: ask, onReview: keep,
		onCame: fill, onDiffers: replace, onSame: keep, onMissing: vanish, onRemoved: remove, onFailed: note, onDir: yield,
	},
	haveFailed: {
		onListed: ask, onRelisted: ask, onChanged: renew, onAsked: ask, onUnlisted: ask, onReview: keep,
		onCame: fill, onDiffers: replace, onSame: keep, onMissing: vanish, onRemoved: remove, onFailed: note, onDir: yield,
	},
	haveHere: {
		onListed: keep, onRelisted: keep, onChanged: ask, onAsked: keep, onUnlisted: ask, onReview: ask,
		onCame: keep, onDiffers: replace, onSame: keep, onMissing: keep, onRemoved: remove, onFailed: keep, onDir: yield,
	},
	haveGone: {
		onListed: keep, onRelisted: ask, onChanged: ask, onAsked: keep, onUnlisted: keep, onReview: keep,
		onCame: keep, onDiffers: replace, onSame: keep, onMissing: keep, onRemoved: keep, onFailed: keep, onDir: yield,
	},
	haveDir: {
		onListed: yield, onRelisted: yield, onChanged: yield, onAsked: yield, onUnlisted: keep, onReview: keep,
		onCame: yield, onDiffers: keep, onSame: keep, onMissing: yield, onRemoved: keep, onFailed: yield, onDir: keep,
	},
}

func decide(h have, ev event) decision { return decisions[h][ev] }
