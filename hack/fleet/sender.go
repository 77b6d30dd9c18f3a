package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// tries bounds how often a hub that has too much to do is asked again.
const tries = 50

// sender is an agent's connection to a hub.
type sender struct{ hub, token string }

func (s *sender) send(ctx context.Context, path string, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	for range tries {
		wait, err := s.try(ctx, path, body)
		if err != nil || wait == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return fmt.Errorf("the hub has too much to do")
}

// try tells how long to wait before it is tried again, 0 when the hub took it.
func (s *sender) try(ctx context.Context, path string, body []byte) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hub+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 10_000))
	switch {
	case err != nil:
		return 0, err
	case response.StatusCode == http.StatusOK:
		return 0, nil
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable:
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil {
			seconds = 1
		}
		return time.Duration(max(1, seconds)) * time.Second, nil
	}
	return 0, fmt.Errorf("%s: %s: %s", path, response.Status, answer)
}
