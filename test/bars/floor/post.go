package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// poster renders, compresses and posts batches, one at a time.
type poster struct {
	conn    *nats.Conn
	url     string
	client  *http.Client
	encoder *zstd.Encoder
	body    []byte
	wire    []byte
}

func newPoster(conn *nats.Conn, endpoint string) *poster {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // options of ours alone
	}
	return &poster{
		conn: conn, url: endpoint + "/i/v1/analytics/events", encoder: encoder,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}},
	}
}

func (p *poster) run(ctx context.Context, batches <-chan *batch) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-batches:
			if err := p.post(ctx, b); err != nil {
				return err
			}
		}
	}
}

// post sends a batch, and acknowledges its messages after a 2xx.
func (p *poster) post(ctx context.Context, b *batch) error {
	if err := p.render(b); err != nil {
		return err
	}
	p.wire = p.encoder.EncodeAll(p.body, p.wire[:0])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(p.wire))
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "zstd")
	req.Header.Set("Authorization", "Bearer phc_bars_"+b.tenant[1:])
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("posting: status %d: %w", resp.StatusCode, err)
	}
	for _, m := range b.messages {
		if err := p.conn.Publish(m.Reply(), []byte("+ACK")); err != nil {
			return fmt.Errorf("acknowledging: %w", err)
		}
	}
	return nil
}

var errForeign = errors.New("a message that is none of the harness's")

// render makes v1's batch: records as they are, in an event's frame.
func (p *poster) render(b *batch) error {
	p.body = append(p.body[:0], `{"created_at":"2026-01-02T03:04:05Z","batch":[`...)
	for i, m := range b.messages {
		_, digits, _ := strings.Cut(m.Headers().Get(jetstream.MsgIDHeader), "/bars-")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return errForeign
		}
		if i > 0 {
			p.body = append(p.body, ',')
		}
		p.body = fmt.Appendf(p.body, `{"event":"$ai_generation","uuid":"%08x-0000-5000-8000-000000000000","distinct_id":"u%d",`+
			`"timestamp":"2026-01-02T03:04:05Z","properties":`, n, n)
		p.body = append(p.body, m.Data()...)
		p.body = append(p.body, '}')
	}
	p.body = append(p.body, "]}"...)
	return nil
}
