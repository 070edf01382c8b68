package oracle

import "github.com/hogcast/hogcast/test/chaos/load"

// Letter is a dead letter as it was found; tokens that can't be told are "_".
type Letter struct {
	Sequence                    uint64
	Tenant, Destination, Reason string
	MsgID                       string // of the generation message
	SHA256                      string // set where the bytes were not kept
	Body                        []byte // the record's, inflated
	Detail                      string
}

func (l *Letter) where() string { return l.Tenant + "." + l.Destination }

// Buried says that a dead letter was found.
func (o *Oracle) Buried(l *Letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead[l.Reason]++
	n, ok := o.byMsgID[l.MsgID]
	if !ok {
		o.find("invented", -1, l.where(), "letter %d (%s) belongs to no record; message id %q", l.Sequence, l.Reason, l.MsgID)
		return
	}
	r := o.load.Record(n)
	if want, hostile := r.Letter(); hostile {
		o.buriedWhole(l, r, want)
		return
	}
	for _, b := range o.entries[n].branches {
		if b.to.Name == l.Destination && b.to.Tenant == l.Tenant {
			o.buriedBranch(l, r, b)
			return
		}
	}
	o.entries[n].letters++ // which ends its branches, wrongly
	o.find("misburied", n, l.where(), "a good record has letter %d, %s: %s", l.Sequence, l.Reason, l.Detail)
}

// buriedWhole judges the letter of a hostile record.
func (o *Oracle) buriedWhole(l *Letter, r *load.Record, want load.Letter) {
	o.entries[r.N].letters++
	if l.Tenant != want.Tenant || l.Destination != "_" || l.Reason != want.Reason {
		o.find("misburied", r.N, l.where(), "%s is buried as %s, want %s._ %s", r.Kind, l.Reason, want.Tenant, want.Reason)
	}
	tenant := o.load.Tenant(l.Tenant)
	switch private := tenant != nil && tenant.EverPrivate(); {
	case !keeps(l, r.Body):
		o.find("changed", r.N, l.where(), "letter %d does not keep the record", l.Sequence)
	case l.SHA256 != "" && !private:
		o.find("withheld", r.N, l.where(), "letter %d keeps no bytes, and nobody is private", l.Sequence)
	case l.SHA256 == "" && private && alwaysPrivate(tenant):
		o.find("leaked", r.N, l.where(), "letter %d keeps bytes that could not be made private", l.Sequence)
	}
}

func alwaysPrivate(t *load.Tenant) bool {
	for _, d := range t.Destinations {
		if d.Private {
			return true
		}
	}
	return false
}

// buriedBranch judges the letter of one branch.
func (o *Oracle) buriedBranch(l *Letter, r *load.Record, b *branch) {
	b.letters++
	switch {
	case b.want == Nothing:
		o.find("misburied", b.n, b.to.ID(), "buried as %s, although a rule leaves it out", l.Reason)
	case !o.causes[b.to.ID()][l.Reason]:
		o.find("misburied", b.n, b.to.ID(), "buried as %s, which no fault explains: %s", l.Reason, l.Detail)
	}
	if how := b.bodyDiffers(l, r.Body); how != "" {
		o.find("changed", b.n, b.to.ID(), "letter %d %s", l.Sequence, how)
	}
}
