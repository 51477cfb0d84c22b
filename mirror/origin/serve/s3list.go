package serve

import (
	"bytes"
	"strconv"

	"github.com/valyala/fasthttp"
)

// list answers a request for a page of the listing, of either version.
func (f *s3Face) list(ctx *fasthttp.RequestCtx, c *conn) Writer {
	c.counts.lists.Add(1)
	q := &c.s3.query
	q.maxKeys = min(q.maxKeys, f.s.o.PageSize)
	write, ok := f.s.arrive(ctx, c, f.s.o.ListLatency, Request{List: true, Name: q.after, PageSize: q.maxKeys})
	if !ok {
		return nil
	}
	limit := q.maxKeys
	if f.s.o.Intercept != nil {
		limit = min(max(0, c.request.PageSize), limit)
	}
	page := &c.s3.page
	page.begin(q, limit)
	if q.maxKeys > 0 { // a page of none is S3's last one
		if err := page.fill(f.keys); err != nil {
			f.refuseError(c, err)
			return write
		}
	}
	f.respondXML(c, page.end(f.o.Bucket))
	return write
}

// s3Page writes one page. Its memory is used again.
type s3Page struct {
	q     *s3Query
	limit int
	n     int  // keys and common prefixes on it
	more  bool // there is one after them

	last    []byte // the last key or common prefix
	lastAll bool   // it is a common prefix

	seek     bool   // go on at from
	from     []byte // the first key that is looked at next
	body     []byte // room for the head, then the keys
	prefixes []byte
	head     []byte
}

// headRoom is how much room there is for the head, which says what comes, without
// moving what came.
const headRoom = 4 << 10

// begin starts a page of at most limit keys and common prefixes.
func (p *s3Page) begin(q *s3Query, limit int) {
	p.q, p.limit, p.n, p.more = q, limit, 0, false
	p.last, p.lastAll = append(p.last[:0], q.after...), q.afterAll
	if cap(p.body) < headRoom {
		p.body = make([]byte, headRoom)
	}
	p.body, p.prefixes = p.body[:headRoom], p.prefixes[:0]
}

// fill lists the keys. After a common prefix it goes on behind all that it stands for.
func (p *s3Page) fill(keys KeyLister) error {
	p.from, p.seek = p.q.from(p.from[:0])
	add := p.add
	for p.seek {
		p.seek = false
		if err := keys.Keys(p.from, add); err != nil {
			return err
		}
	}
	return nil
}

// add puts a key, or what stands for it, on the page, and reports whether the next
// one is wanted.
func (p *s3Page) add(k *Key) bool {
	q := p.q
	if !bytes.HasPrefix(k.Name, q.prefix) {
		return false
	}
	if p.n >= p.limit {
		p.more = true
		return false
	}
	p.n++
	if common := q.common(k.Name); common != nil {
		p.prefixes = append(p.prefixes, "<CommonPrefixes><Prefix>"...)
		p.prefixes = q.appendName(p.prefixes, common)
		p.prefixes = append(p.prefixes, "</Prefix></CommonPrefixes>"...)
		p.last, p.lastAll = append(p.last[:0], common...), true
		p.from, p.seek = appendSuccessor(p.from[:0], common)
		return false
	}
	if p.n == p.limit {
		p.last, p.lastAll = append(p.last[:0], k.Name...), false
	}
	p.addContents(k)
	return true
}

// addContents writes one key.
func (p *s3Page) addContents(k *Key) {
	b := p.body
	b = append(b, "<Contents><Key>"...)
	b = p.q.appendName(b, k.Name)
	b = append(b, "</Key><LastModified>"...)
	if k.ModTime.IsZero() {
		k.ModTime = noTime
	}
	b = appendISOTime(b, k.ModTime)
	b = append(b, "</LastModified><ETag>"...)
	b = appendXML(b, k.ETag)
	b = append(b, "</ETag><Size>"...)
	b = strconv.AppendInt(b, k.Size, 10)
	b = append(b, "</Size><StorageClass>STANDARD</StorageClass></Contents>"...)
	p.body = b
}

// appendName appends a name as the request wants names.
func (q *s3Query) appendName(dst, name []byte) []byte {
	if q.url {
		return appendURL(dst, name)
	}
	return appendXML(dst, name)
}

// end finishes the page.
func (p *s3Page) end(bucket string) []byte {
	p.body = append(p.body, p.prefixes...)
	p.body = append(p.body, "</ListBucketResult>"...)
	p.appendHead(bucket)
	if len(p.head) <= headRoom {
		b := p.body[headRoom-len(p.head):]
		copy(b, p.head)
		return b
	}
	return append(p.head, p.body[headRoom:]...)
}

// appendHead writes what comes before the keys: what was asked for, and what of it
// this is.
func (p *s3Page) appendHead(bucket string) {
	q := p.q
	b := p.head[:0]
	b = append(b, xmlHead+`<ListBucketResult xmlns="`+s3Namespace+`"><Name>`...)
	b = append(b, bucket...)
	b = append(b, "</Name>"...)
	b = q.appendParam(b, "Prefix", q.prefix)
	if q.v2 {
		if q.hasToken {
			b = appendElement(b, "ContinuationToken", q.token)
		}
		if p.more {
			b = appendElement(b, "NextContinuationToken", appendToken(nil, p.last, p.lastAll))
		}
		if q.hasStartAfter {
			b = q.appendParam(b, "StartAfter", q.startAfter)
		}
		b = appendElement(b, "KeyCount", strconv.Itoa(p.n))
	} else {
		b = q.appendParam(b, "Marker", q.startAfter)
		if p.more && q.delimited {
			b = q.appendParam(b, "NextMarker", p.last)
		}
	}
	b = appendElement(b, "MaxKeys", strconv.Itoa(q.maxKeys))
	if q.delimited {
		b = q.appendParam(b, "Delimiter", q.delimiter)
	}
	if q.url {
		b = appendElement(b, "EncodingType", "url")
	}
	p.head = appendElement(b, "IsTruncated", strconv.FormatBool(p.more))
}

// appendParam appends a parameter of the request that is a name or a part of one.
func (q *s3Query) appendParam(dst []byte, element string, value []byte) []byte {
	dst = append(dst, '<')
	dst = append(dst, element...)
	dst = append(dst, '>')
	dst = q.appendName(dst, value)
	dst = append(dst, "</"...)
	dst = append(dst, element...)
	return append(dst, '>')
}
