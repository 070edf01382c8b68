package observability_test

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Pictures for the documents are painted from what Prometheus answers to the
// dashboards' own queries: time series as Grafana lays them out, in SVG.
const (
	cellWidth, cellHeight = 40, 22 // of Grafana's grid, in pixels
	margin                = 8
)

var palette = []string{"#3274d9", "#56a64b", "#e0752d", "#e02f44", "#8f3bb8", "#37872d", "#fa6400", "#1f60c4", "#c4162a", "#705da0"}

// paint writes a picture of each dashboard.
func paint(t *testing.T, p *prometheus, since time.Time, dir string) {
	t.Helper()
	for _, d := range dashboards(t) {
		var body strings.Builder
		bottom := 0
		for _, panel := range d.Panels {
			g := panel.GridPos
			bottom = max(bottom, (g.Y+g.H)*cellHeight)
			x, y, w, h := g.X*cellWidth, g.Y*cellHeight, g.W*cellWidth, g.H*cellHeight
			switch panel.Type {
			case "row":
				fmt.Fprintf(&body, `<text x="%d" y="%d" class="row">%s</text>`+"\n", x+margin, y+16, html.EscapeString(panel.Title))
			case "stat":
				paintStat(t, &body, p, panel, x, y, w, h)
			case "timeseries":
				paintSeries(t, &body, p, panel, since, x, y, w, h)
			case "table":
				paintTable(t, &body, p, panel, x, y, w, h)
			}
		}
		text := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="10">
<style>.bg{fill:#f4f5f5}.panel{fill:#fff;stroke:#dcdcdc}.title{font-weight:bold;fill:#24292e}.row{font-size:13px;font-weight:bold;fill:#24292e}.axis{fill:#6a737d;font-size:8px}.grid{stroke:#eaeaea}.stat{font-size:22px;font-weight:bold;fill:#24292e}</style>
<rect class="bg" width="100%%" height="100%%"/>
%s</svg>
`, 24*cellWidth, bottom+margin, body.String())
		if err := os.WriteFile(filepath.Join(dir, d.UID+".svg"), []byte(text), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
}

func frame(to *strings.Builder, title string, x, y, w, h int) {
	fmt.Fprintf(to, `<rect class="panel" x="%d" y="%d" width="%d" height="%d" rx="2"/><text class="title" x="%d" y="%d">%s</text>`+"\n",
		x+2, y+2, w-4, h-4, x+margin, y+15, html.EscapeString(title))
}

func ask(t *testing.T, p *prometheus, expr string) []sample {
	t.Helper()
	got, err := p.query(plain(expr, "20s"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func paintStat(t *testing.T, to *strings.Builder, p *prometheus, of panel, x, y, w, h int) {
	t.Helper()
	frame(to, of.Title, x, y, w, h)
	text := "none"
	if got := ask(t, p, of.Targets[0].Expr); len(got) > 0 {
		text = short(number(got[0].Last), of.FieldConfig.Defaults.Unit)
		if strings.Contains(of.Targets[0].Legend, "{{") {
			text = legend(of.Targets[0].Legend, got[0].Labels)
		}
	}
	size := min(22, w*3/2/max(len(text), 1))
	fmt.Fprintf(to, `<text class="stat" style="font-size:%dpx" x="%d" y="%d">%s</text>`+"\n", size, x+margin, y+h/2+16, html.EscapeString(text))
}

func paintTable(t *testing.T, to *strings.Builder, p *prometheus, of panel, x, y, w, h int) {
	t.Helper()
	frame(to, of.Title, x, y, w, h)
	for i, s := range ask(t, p, of.Targets[0].Expr) {
		if (i+3)*13 > h-10 {
			break
		}
		var cells []string
		for _, name := range []string{"tenant", "destination", "state", "reason", "version", "goversion"} {
			if v, ok := s.Labels[name]; ok {
				cells = append(cells, v)
			}
		}
		cells = append(cells, short(number(s.Last), of.FieldConfig.Defaults.Unit))
		for c, cell := range cells {
			fmt.Fprintf(to, `<text x="%d" y="%d">%s</text>`+"\n", x+margin+c*(w-2*margin)/len(cells), y+32+i*13, html.EscapeString(cell))
		}
	}
}

// line is one series of a picture.
type line struct {
	name   string
	points [][2]float64 // time in seconds, value
}

func lines(t *testing.T, p *prometheus, of panel, since time.Time) (all []line) {
	t.Helper()
	for _, target := range of.Targets {
		got, err := p.history(plain(target.Expr, "10s"), since)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			l := line{name: legend(target.Legend, s.Labels)}
			for _, v := range s.All {
				at, _ := v[0].(float64)
				if n := number(v); !math.IsNaN(n) {
					l.points = append(l.points, [2]float64{at, n})
				}
			}
			if len(l.points) > 1 {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return int(math.Copysign(1, peak(b)-peak(a))) })
	return all[:min(len(all), len(palette))]
}

func peak(l line) (most float64) {
	for _, p := range l.points {
		most = max(most, p[1])
	}
	return most
}

func paintSeries(t *testing.T, to *strings.Builder, p *prometheus, of panel, since time.Time, x, y, w, h int) {
	t.Helper()
	frame(to, of.Title, x, y, w, h)
	all := lines(t, p, of, since)
	top := 0.0
	for _, l := range all {
		top = max(top, peak(l))
	}
	if top == 0 {
		top = 1
	}
	left, right, upper, lower := float64(x+38), float64(x+w-margin), float64(y+24), float64(y+h-34)
	for i := range 4 {
		at := lower - (lower-upper)*float64(i)/3
		fmt.Fprintf(to, `<line class="grid" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text class="axis" x="%d" y="%.1f">%s</text>`+"\n",
			left, right, at, at, x+margin, at+3, short(top*float64(i)/3, of.FieldConfig.Defaults.Unit))
	}
	span := time.Since(since).Seconds()
	names := x + margin
	for i, l := range all {
		var path []string
		for _, q := range l.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", left+(right-left)*(q[0]-float64(since.Unix()))/span, lower-(lower-upper)*q[1]/top))
		}
		fmt.Fprintf(to, `<polyline fill="none" stroke="%s" stroke-width="1.3" points="%s"/>`+"\n", palette[i], strings.Join(path, " "))
		if width := 16 + 11*len(l.name)/2; names+width < x+w-margin {
			fmt.Fprintf(to, `<rect x="%d" y="%d" width="7" height="7" fill="%s"/><text class="axis" x="%d" y="%d">%s</text>`+"\n",
				names, y+h-21, palette[i], names+10, y+h-14, html.EscapeString(l.name))
			names += width
		}
	}
}

// legend puts labels into a legend.
func legend(text string, labels map[string]string) string {
	return regexp.MustCompile(`{{(\w+)}}`).ReplaceAllStringFunc(text, func(m string) string {
		return labels[strings.Trim(m, "{}")]
	})
}

// short writes a number as Grafana does, about.
func short(n float64, unit string) string {
	switch unit {
	case "percentunit":
		return fmt.Sprintf("%.0f %%", n*100)
	case "s":
		if n < 1 {
			return fmt.Sprintf("%.0f ms", n*1000)
		}
		return fmt.Sprintf("%.1f s", n)
	case "bytes", "Bps":
		for _, of := range []string{"B", "kB", "MB"} {
			if n < 1000 {
				return fmt.Sprintf("%.0f %s", n, of)
			}
			n /= 1000
		}
		return fmt.Sprintf("%.1f GB", n)
	}
	if n >= 1000 {
		return fmt.Sprintf("%.1f k", n/1000)
	}
	if n == math.Trunc(n) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}
