package privacy

// digitGroup is text[from:to], digits alone.
type digitGroup struct{ from, to int }

func (g digitGroup) len() int { return g.to - g.from }

// digitGroups appends every group of digits in a text, and counts their digits.
func digitGroups(dst []digitGroup, text []byte) (groups []digitGroup, total int) {
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) {
			continue
		}
		from := i
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		total += i - from
		dst = append(dst, digitGroup{from, i})
	}
	return dst, total
}

// maxGroups is more than any number has.
const maxGroups = 20

// groups are digits with separators between them.
type groups struct {
	at [maxGroups]digitGroup
	n  int
}

// isSeparator returns the length of the separator at text[i]; 0: it is none.
type isSeparator func(text []byte, i int) int

// readGroups reads the groups from the digit at text[i] on, to at most the
// digits that are given.
func readGroups(g *groups, text []byte, i, most int, separator isSeparator) {
	g.n = 0
	total := 0
	for g.n < maxGroups {
		from := i
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		g.at[g.n] = digitGroup{from, i}
		g.n++
		total += i - from
		if i == len(text) || total > most {
			return
		}
		size := separator(text, i)
		if size == 0 || i+size >= len(text) || !isDigit(text[i+size]) {
			return
		}
		i += size
	}
}

// between is what separates group k from the next.
func (g *groups) between(text []byte, k int) []byte { return text[g.at[k].to:g.at[k+1].from] }

// sizes reports whether the groups from k on begin with these sizes.
func (g *groups) sizes(k int, sizes ...int) bool {
	if k+len(sizes) > g.n {
		return false
	}
	for i, size := range sizes {
		if g.at[k+i].len() != size {
			return false
		}
	}
	return true
}

// longest returns the number of the groups that have the most digits within
// the bounds, and how many these are; 0 where none have.
func (g *groups) longest(least, most int) (n, digits int) {
	total := 0
	for k := range g.n {
		if total += g.at[k].len(); total > most {
			break
		}
		if total >= least {
			n, digits = k+1, total
		}
	}
	return n, digits
}
