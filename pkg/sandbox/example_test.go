package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// A PostHog that is down for one request, and then takes the event.
func Example() {
	s := sandbox.New(sandbox.Config{})
	if err := s.Start(""); err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	s.Script(sandbox.Match{Path: sandbox.PathBatch}, sandbox.Status(503).RetryAfter(2*time.Second))

	const batch = `{"api_key":"phc_example","batch":[{"event":"$ai_generation","distinct_id":"user-1"}]}`
	for range 2 {
		resp, err := http.Post(s.URL()+sandbox.PathBatch, "application/json", strings.NewReader(batch))
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode, s.Count())
	}
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 503 0
	// 200 1
}
