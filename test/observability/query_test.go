package observability_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// metric is what the golden list says of one.
type metric struct {
	kind   string // counter, gauge, histogram
	labels []string
}

// targetLabels are put on every series by whoever scrapes.
var targetLabels = []string{"job", "instance", "namespace", "pod"}

// foreign are metrics of others that rules and dashboards use.
var foreign = map[string]metric{
	"process_cpu_seconds_total":                            {kind: "counter"},
	"process_resident_memory_bytes":                        {kind: "gauge"},
	"kube_horizontalpodautoscaler_status_current_replicas": {"gauge", []string{"horizontalpodautoscaler"}},
	"kube_horizontalpodautoscaler_spec_max_replicas":       {"gauge", []string{"horizontalpodautoscaler"}},
}

var (
	tokenPattern = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9.]+[a-z]*|=~|!~|!=|>=|<=|==|\S`)
	wordPattern  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
)

var (
	keywords = []string{"and", "or", "unless", "bool", "offset", "group_left", "group_right"}
	// labelLists are followed by label names in parentheses.
	labelLists = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	rates      = []string{"rate", "increase", "irate"}
	// overTime take a range of a gauge.
	overTime = []string{"delta", "deriv", "min_over_time", "max_over_time", "avg_over_time"}
)

// checker reads one PromQL expression. It is no parser of all of it: promtool
// and the real Prometheus are. It knows which metrics there are.
type checker struct {
	known    map[string]metric
	tokens   []string
	calls    []string // functions that the place is within, "" for plain parentheses
	problems []string
	labels   []string // that any metric of the expression has
	lists    []string // that aggregations and matches name
}

// check reports what is wrong with an expression.
func check(known map[string]metric, expr string) []string {
	c := &checker{known: known, tokens: tokenPattern.FindAllString(expr, -1), labels: slices.Clone(targetLabels)}
	for i := 0; i < len(c.tokens); {
		i = c.token(i)
	}
	for _, l := range c.lists {
		if !slices.Contains(c.labels, l) {
			c.fail("no metric of it has a label %s", l)
		}
	}
	return c.problems
}

func (c *checker) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) at(i int) string {
	if i < len(c.tokens) {
		return c.tokens[i]
	}
	return ""
}

// token takes the token at i and returns where to go on.
func (c *checker) token(i int) int {
	switch word := c.at(i); {
	case word == "(":
		c.calls = append(c.calls, "")
	case word == ")":
		if len(c.calls) == 0 {
			c.fail("a ) too many")
			break
		}
		c.calls = c.calls[:len(c.calls)-1]
	case slices.Contains(labelLists, word) && c.at(i+1) == "(":
		return c.list(i + 2)
	case slices.Contains(keywords, word), !wordPattern.MatchString(word):
	case c.at(i+1) == "(":
		c.calls = append(c.calls, word)
		return i + 2
	case slices.Contains(labelLists, c.at(i+1)): // sum by (…) (…)
		c.calls = append(c.calls, word)
		i = c.list(i + 3)
		if c.at(i) != "(" {
			c.fail("%s by (…) without what", word)
		}
		return i + 1
	default:
		return c.selector(i)
	}
	return i + 1
}

// list takes label names up to the closing parenthesis.
func (c *checker) list(i int) int {
	for ; c.at(i) != ")" && c.at(i) != ""; i++ {
		if c.at(i) != "," {
			c.lists = append(c.lists, c.at(i))
		}
	}
	return i + 1
}

// selector takes a metric with its matchers and range.
func (c *checker) selector(i int) int {
	name := c.at(i)
	m, part, ok := c.find(name)
	if !ok {
		c.fail("there is no metric %s", name)
	}
	labels := slices.Concat(m.labels, targetLabels)
	if part == "_bucket" {
		labels = append(labels, "le")
	}
	c.labels = append(c.labels, labels...)
	if i++; c.at(i) == "{" {
		for i++; c.at(i) != "}" && c.at(i) != ""; i += 3 {
			if c.at(i) == "," {
				i++
			}
			if ok && !slices.Contains(labels, c.at(i)) {
				c.fail("%s has no label %s", name, c.at(i))
			}
		}
		i++
	}
	c.kind(name, m.kind, strings.HasPrefix(c.at(i), "["))
	if strings.HasPrefix(c.at(i), "[") {
		i++
	}
	return i
}

// kind sees that counters are asked for their rates, and gauges are not.
func (c *checker) kind(name, kind string, ranged bool) {
	within := ""
	if len(c.calls) > 0 {
		within = c.calls[len(c.calls)-1]
	}
	rated := slices.Contains(rates, within)
	switch {
	case kind == "gauge" && rated:
		c.fail("%s is a gauge, and is asked for its %s", name, within)
	case kind == "gauge" && ranged && !slices.Contains(overTime, within):
		c.fail("%s has a range that nothing takes", name)
	case (kind == "counter" || kind == "histogram") && (!rated || !ranged):
		c.fail("%s is a %s, and is not asked for its rate", name, kind)
	}
}

// find looks a name up; part is _bucket, _sum or _count of a histogram.
func (c *checker) find(name string) (m metric, part string, ok bool) {
	if m, ok := c.known[name]; ok && m.kind != "histogram" {
		return m, "", true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if of, cut := strings.CutSuffix(name, part); cut && c.known[of].kind == "histogram" {
			return c.known[of], part, true
		}
	}
	return metric{kind: "gauge"}, "", false
}
