package origin

import "time"

const (
	// gatherBytes is how much is waited for while many answers are due. An
	// origin that sends every answer by itself would otherwise wake its reader
	// for each.
	gatherBytes = 16 << 10
	// gatherLeast is what is not worth waiting for.
	gatherLeast = 2 << 10
	// gatherTime is how long that wait may last; then what is there is taken.
	gatherTime = 50 * time.Millisecond
	// leastAnswer is the length of the shortest answer that may be pipelined.
	leastAnswer = len("HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n")
)

// gather sets what the next read waits for: no more than is sure to come with
// that many answers behind the one at hand.
func (cn *conn) gather(behind int) {
	most := behind * leastAnswer
	if cn.resume > 0 && cn.resume <= most {
		cn.setLowat(cn.resume)
	}
	cn.resume = 0
	if cn.lowat <= most || cn.lowat == 1 {
		return
	}
	low := cn.lowat
	for low > most {
		low /= 2
	}
	if low < gatherLeast {
		low = 1
	}
	cn.setLowat(low)
}

// beginGather starts a round of that many answers.
func (cn *conn) beginGather(answers int) {
	if cn.nc != cn.raw || answers*leastAnswer < 2*gatherLeast {
		return
	}
	cn.setLowat(gatherBytes)
	cn.gather(answers - 1)
}

func (cn *conn) setLowat(bytes int) {
	if !setLowat(cn.raw, bytes) {
		bytes = 1 // nothing else is known of it
	}
	cn.lowat = bytes
}

// endGather makes reads return whatever comes.
func (cn *conn) endGather() {
	if cn.lowat != 1 {
		cn.setLowat(1)
	}
}
