package admin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestABadEntryIsNotCalledHealthyAndTellsItsFaultsOnALine(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	bucket, err := o.conn.Bucket(t.Context(), queue.BucketDestinations)
	if err == nil {
		err = bucket.Set(t.Context(), "beta.main", []byte(`{"tenant":"beta","name":"main","api_key":"phc_b","max_rate":-5,"hold_max":"soon"}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	listErr := o.List(t.Context(), admin.ListParams{Now: time.Now()})
	list := o.said()
	if listErr != nil || strings.Contains(list, "healthy") {
		t.Errorf("%v\n%s", listErr, list)
	}
	rotateErr := o.Rotate(t.Context(), admin.RotateParams{})
	left := o.said()
	if !errors.Is(rotateErr, admin.ErrSome) || strings.Contains(left, "\uFFFD") || !strings.Contains(left, "3d; ") {
		t.Errorf("%v\n%s", rotateErr, left)
	}
}

func TestWhoSavesADefaultIsToldWhatWorkersNeedForIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put(t, o.destination("main"))
	if said := o.said(); strings.Contains(said, "--default-destination") {
		t.Errorf("of a tenant's own\n%s", said)
	}
	d := o.destination("main")
	d.Tenant = destination.AnyTenant
	o.put(t, d)
	if said := o.said(); !strings.Contains(said, "--default-destination") {
		t.Errorf("of a default\n%s", said)
	}
}
