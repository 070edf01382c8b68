package observability_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	schema "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func TestDashboardsAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	metrics := known(t)
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				for _, problem := range check(metrics, plain(target.Expr, "5m")) {
					t.Errorf("%s: %s: %s", d.file, p.Title, problem)
				}
			}
		}
		for _, v := range d.Templating.List {
			m := regexp.MustCompile(`^label_values\((\w+)(\{.*\})?, (\w+)\)$`).FindStringSubmatch(v.Definition)
			if v.Type != "query" {
				continue
			}
			if m == nil {
				t.Errorf("%s: variable %s: %s", d.file, v.Name, v.Definition)
			} else if of, ok := metrics[m[1]]; !ok || !slices.Contains(append(targetLabels, of.labels...), m[3]) {
				t.Errorf("%s: variable %s: there is no %s with a label %s", d.file, v.Name, m[1], m[3])
			}
		}
	}
}

func TestDashboardsAreOfGrafanasSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	for _, d := range dashboards(t) {
		var strict schema.Dashboard //nolint:staticcheck // deprecated for the schema that Grafana 12 begins to have; these are for 10 and on
		// It gives an error without a text where there is nothing wrong.
		if err := strict.UnmarshalJSONStrict(d.raw); err != nil && err.Error() != "" {
			t.Errorf("%s: %v", d.file, err)
		}
		if err := strict.Validate(); err != nil {
			t.Errorf("%s: %v", d.file, err)
		}
	}
}

func TestDashboardsCanBeRead(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, d := range dashboards(t) {
		if d.file != d.UID+".json" || uids[d.UID] || d.Title == "" || d.Description == "" || !slices.Contains(d.Tags, "hogcast") {
			t.Errorf("%s: uid %s, title %q, tags %v", d.file, d.UID, d.Title, d.Tags)
		}
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: %s has another's id", d.file, p.Title)
			}
			ids[p.ID] = true
			if p.GridPos.X < 0 || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H < 1 {
				t.Errorf("%s: %s lies outside: %+v", d.file, p.Title, p.GridPos)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: %s lies on %s", d.file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Title == "" {
				t.Errorf("%s: panel %d has no title", d.file, p.ID)
			}
			if p.Type == "row" {
				continue
			}
			if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %s: description %q, unit %q, %d queries, data source %q", d.file, p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets), p.Datasource.UID)
			}
		}
	}
}
