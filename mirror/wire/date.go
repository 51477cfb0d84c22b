package wire

import (
	"bytes"
	"net/http"
)

// Seconds is a time in UTC in seconds since 1970, in a third of what time.Date takes
// (Fliegel and Van Flandern, "A machine algorithm for processing calendar dates", 1968).
func Seconds(year, month, day, hour, minute, second int) int64 {
	m := (month - 14) / 12
	days := day - 32075 + 1461*(year+4800+m)/4 + 367*(month-2-m*12)/12 - 3*((year+4900+m)/100)/4 - 2440588
	return int64(days)*86400 + int64(hour*3600+minute*60+second)
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// parseDate reads the date of a header in seconds since 1970, 0 where it is none. The form
// that RFC 9110 section 5.6.7 wants is quick.
func parseDate(text []byte) int64 {
	const form = "Mon, 02 Jan 2006 15:04:05 GMT"
	if len(text) == len(form) && string(text[3:5]) == ", " && text[7] == ' ' && text[11] == ' ' && text[16] == ' ' && text[19] == ':' && text[22] == ':' && string(text[25:]) == " GMT" {
		month := bytes.Index([]byte(months), text[8:11])
		day, year := digits(text[5:7]), digits(text[12:16])
		hour, minute, second := digits(text[17:19]), digits(text[20:22]), digits(text[23:25])
		if month%3 == 0 && day >= 1 && day <= 28 && year > 0 && hour <= 23 && minute <= 59 && second <= 59 && hour >= 0 && minute >= 0 && second >= 0 {
			return Seconds(year, month/3+1, day, hour, minute, second)
		}
	}
	if t, err := http.ParseTime(string(text)); err == nil {
		return t.Unix()
	}
	return 0
}

// digits is a number, -1 where it is none.
func digits(text []byte) (n int) {
	for _, c := range text {
		if c-'0' > 9 {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
