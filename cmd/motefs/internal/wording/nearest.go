package wording

// maxWord bounds what is compared with the words that are known, in bytes.
const maxWord = 64

// Nearest is the first of those words that was probably meant, which differs in less than
// every third letter or in two; empty: none comes near.
func Nearest(word string, words []string) string {
	best, least := "", 1+max(2, len(word)/3)
	for _, w := range words {
		if d := distance(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is how many letters are to be put in, left out or changed to make b of a
// (V. I. Levenshtein, 1966).
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
