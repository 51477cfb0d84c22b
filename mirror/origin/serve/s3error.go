package serve

import "github.com/valyala/fasthttp"

// S3Error is how S3 refuses a request.
type S3Error struct {
	Status        int
	Code, Message string
}

// Error implements error.
func (e *S3Error) Error() string { return e.Code + ": " + e.Message }

// The refusals, in the words of S3.
var (
	s3BadRequest         = &S3Error{400, "BadRequest", "An error occurred when parsing the HTTP request."}
	s3InvalidURI         = &S3Error{400, "InvalidURI", "Couldn't parse the specified URI."}
	s3BadToken           = &S3Error{400, "InvalidArgument", "The continuation token provided is incorrect"}
	s3BadMaxKeys         = &S3Error{400, "InvalidArgument", "Provided max-keys not an integer or within integer range"}
	s3BadEncoding        = &S3Error{400, "InvalidArgument", "Invalid Encoding Method specified in Request"}
	s3BadListType        = &S3Error{400, "InvalidArgument", "Invalid List Type specified in Request"}
	s3AccessDenied       = &S3Error{403, "AccessDenied", "Access Denied"}
	s3NoSuchBucket       = &S3Error{404, "NoSuchBucket", "The specified bucket does not exist"}
	s3NoSuchKey          = &S3Error{404, "NoSuchKey", "The specified key does not exist."}
	s3MethodNotAllowed   = &S3Error{405, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	s3PreconditionFailed = &S3Error{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	s3InvalidRange       = &S3Error{416, "InvalidRange", "The requested range is not satisfiable"}
	s3InternalError      = &S3Error{500, "InternalError", "We encountered an internal error. Please try again."}
	s3NotImplemented     = &S3Error{501, "NotImplemented", "A header or query you provided requested a function that is not implemented."}
)

// AppendXML appends the document that says e, with details in pairs of an element
// and its text.
func (e *S3Error) AppendXML(dst []byte, details ...string) []byte {
	dst = append(dst, xmlHead+"<Error><Code>"...)
	dst = appendXML(dst, e.Code)
	dst = append(dst, "</Code><Message>"...)
	dst = appendXML(dst, e.Message)
	dst = append(dst, "</Message>"...)
	for i := 0; i < len(details); i += 2 {
		dst = appendElement(dst, details[i], details[i+1])
	}
	return append(dst, "</Error>"...)
}

// refuse makes the response that error, with details in pairs.
func (f *s3Face) refuse(c *conn, e *S3Error, details ...string) Writer {
	r := &c.response
	for _, key := range []string{fasthttp.HeaderETag, fasthttp.HeaderLastModified, fasthttp.HeaderContentType} {
		r.Delete(key)
	}
	r.header = append(r.header, field{fasthttp.HeaderContentType, xmlType})
	r.Status, r.off, r.n = e.Status, 0, -1
	r.obj.Body = e.AppendXML(nil, append(details, "RequestId", string(r.requestID()))...)
	return nil
}

const idHeader = "X-Amz-Request-Id"

// setID adds the header field with the number of the request.
func (r *Response) setID(id uint64) {
	start := len(r.values)
	for shift := 60; shift >= 0; shift -= 4 {
		r.values = append(r.values, upperHex[id>>shift&0xf])
	}
	r.header = append(r.header, field{idHeader, r.values[start:]})
}

// requestID is what setID has set.
func (r *Response) requestID() []byte {
	for i := range r.header {
		if r.header[i].key == idHeader {
			return r.header[i].value
		}
	}
	return nil
}
