package main

import (
	"context"
	"fmt"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/replay"
)

// deeds tells the audit trail what somebody has done.
type deeds struct {
	conn   *queue.Conn
	by     string
	system *config.System
}

// note writes a record. What is done stays done: that the trail could not be
// told is a warning.
func (d deeds) note(ctx context.Context, r audit.Record) {
	r.By = d.by
	if err := admin.Note(ctx, audit.New(d.conn.Log()), r); err != nil {
		fmt.Fprintf(d.system.Stderr, "warning: done, but not in the audit trail: %s\n", err)
	}
}

// aboutJob is a record about a replay.
func aboutJob(action audit.Action, j replay.Job) audit.Record {
	note := fmt.Sprintf("%s: %s", replay.CountLetters(j.Total), j.Filter)
	if j.To != "" {
		note += " --to " + j.To
	}
	if j.Move {
		note += " --move"
	}
	return audit.Record{Action: action, Subject: "job " + j.ID, Tenant: named(j.Filter.Tenant), Destination: named(j.Filter.Destination), Note: note}
}

// named is a token of a filter, or "" where it stands for what can't be told.
func named(token string) string {
	if token == queue.NoToken {
		return ""
	}
	return token
}
