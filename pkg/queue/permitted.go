package queue

import (
	"context"
	"errors"
	"fmt"
)

// permitted asks the server something by a subject, and ends at once where it
// refuses that for want of permission: it sends no reply, and the question would
// wait for its deadline in vain. what says what is being done, for the error.
func (c *Conn) permitted(ctx context.Context, subject, what string, ask func(context.Context) error) error {
	ctx, stop := c.refusals.watch(ctx, subject)
	defer stop()
	err := ask(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrPermission) {
		return fmt.Errorf("%s: %w", what, cause)
	}
	return err
}

// write does what publishes a key's message.
func (b *Bucket) write(ctx context.Context, doing, key string, do func(context.Context) error) error {
	subject := "$KV." + b.name + "." + key
	if b.conn.JS.Options().Domain != "" {
		subject = b.conn.apiPrefix() + subject
	}
	return b.outcome(doing, key, b.conn.permitted(ctx, subject, doing+" "+key+" of "+b.name, do))
}
