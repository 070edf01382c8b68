package privacy

// Digits of a payment card's number.
const (
	minCard = 13
	maxCard = 19
)

// findCards finds numbers of payment cards: 13 to 19 digits, bare or in groups
// set apart by single spaces or dashes, with Luhn's check digit.
func findCards(dst []span, text []byte, h hint) []span {
	if h.total < minCard {
		return dst
	}
	var g groups
	done := 0
	for _, group := range h.digits {
		if group.from < done {
			continue
		}
		if end := cardAt(&g, text, group.from); end > 0 {
			dst = append(dst, span{from: group.from, to: end})
			done = end
		}
	}
	return dst
}

// cardAt returns the end of the card number that begins with the group of
// digits at text[i], the longest of several; 0 where none does.
func cardAt(g *groups, text []byte, i int) int {
	// 0 begins none, and 1 only airlines' own: times in milliseconds begin so.
	if text[i] < '2' || i > 0 && (isLetterBefore(text, i) || inDecimals(text, i)) {
		return 0
	}
	readGroups(g, text, i, maxCard, cardSeparator)
	for n := g.n; n > 0; n-- {
		last := g.at[n-1].to
		if last < len(text) && isLetter(text[last]) {
			continue
		}
		if isCard(g, text, n) && !inUUID(text, i) {
			return last
		}
	}
	return 0
}

func isLetterBefore(text []byte, i int) bool { return isLetter(text[i-1]) }

// inDecimals reports whether the digits at text[i] are those behind a point.
func inDecimals(text []byte, i int) bool {
	return i > 1 && text[i-1] == '.' && isDigit(text[i-2])
}

func cardSeparator(text []byte, i int) int { return max(spaceAt(text, i), dashAt(text, i)) }

// isCard judges the first n groups.
func isCard(g *groups, text []byte, n int) bool {
	var digits [maxCard]byte
	total := 0
	for _, group := range g.at[:n] {
		if total+group.len() > maxCard {
			return false
		}
		total += copy(digits[total:], text[group.from:group.to])
	}
	return total >= minCard && cardGroups(g, text, n) && !isISBN(digits[:total]) && luhn(digits[:total])
}

// cardGroups: all separators alike; groups as cards have them (of three or
// more, but for the last), or all of one size.
func cardGroups(g *groups, text []byte, n int) bool {
	wide, even := true, true
	for k := range n - 1 {
		if string(g.between(text, k)) != string(g.between(text, 0)) {
			return false
		}
		wide = wide && g.at[k].len() >= 3
		even = even && g.at[k].len() == g.at[0].len()
	}
	return wide || even && g.at[n-1].len() <= g.at[0].len()
}

// isISBN: 13 digits that begin with 978 or 979 are a book.
func isISBN(digits []byte) bool {
	return len(digits) == 13 && string(digits[:2]) == "97" && (digits[2] == '8' || digits[2] == '9')
}

// luhn checks the last digit against the others.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
