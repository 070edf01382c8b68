package admin

import (
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
)

func (a *applying) writePlan() error {
	if a.p.JSON {
		return nil
	}
	for _, one := range a.all {
		if err := a.writeDifference(one); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) writeDifference(one *Applied) error {
	out := a.d.Out
	var err error
	switch {
	case one.Result == resFailed && one.id == destination.ID{}:
		_, err = fmt.Fprintf(out, "! %s\n", visible(one.Error))
	case one.Result == resFailed:
		_, err = fmt.Fprintf(out, "! %s: %s\n", one.id, visible(strings.TrimPrefix(one.Error, one.id.String()+": ")))
	case one.Action == actCreate:
		_, err = fmt.Fprintf(out, "+ %s\n", one.id)
	case one.Action == actUpdate:
		_, err = fmt.Fprintf(out, "~ %s, revision %d%s\n", one.id, one.now.Revision, written(versionOf(one.now)))
	case one.Action == actDelete:
		_, err = fmt.Fprintf(out, "- %s, revision %d%s\n", one.id, one.now.Revision, written(versionOf(one.now)))
		if one.Held > 0 {
			fmt.Fprintf(out, "    %s become dead letters (destination_deleted)\n", branches(one.Held))
		}
	}
	if err != nil {
		return err
	}
	return writeChanges(out, "    ", one.Changes)
}

// tell writes what has become of an entry.
func (a *applying) tell(one *Applied) {
	if a.p.JSON {
		return // at the end, in their order
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.d.Out
	switch one.Result {
	case resDone:
		fmt.Fprintf(out, "%s %s%s\n", map[string]string{actCreate: "created", actUpdate: "updated", actDelete: "deleted"}[one.Action], one.id, a.revision(one))
	case resPlanned:
		if one.Test != nil {
			fmt.Fprintf(out, "%s would pass its test\n", one.id)
		}
	default:
		fmt.Fprintf(out, "%s: %s: %s\n", one.Result, one.id, visible(strings.TrimPrefix(one.Error, one.id.String()+": ")))
		if one.Test != nil {
			_ = writeTest(out, one.Test) // told already, in short
		}
	}
}

func (a *applying) revision(one *Applied) string {
	text := ""
	if one.Action != actDelete {
		text = fmt.Sprintf(", revision %d", one.Revision)
	}
	if one.Error != "" {
		text += " (" + visible(one.Error) + ")"
	}
	return text
}

func (a *applying) end(n Differences) error {
	if a.p.JSON {
		for _, one := range a.all {
			if err := encoder(a.d.Out).Encode(one); err != nil {
				return err
			}
		}
		return nil
	}
	format := "%d created, %d updated, %d deleted, %d unchanged, %d failed\n"
	if a.p.DryRun {
		format = "%d to create, %d to update, %d to delete, %d unchanged, %d would fail; nothing was changed\n"
	}
	_, err := fmt.Fprintf(a.d.Out, format, n.Create, n.Update, n.Delete, n.Unchanged, n.Failed)
	return err
}
