// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// An application that lists the users of its SFS client, once for each line that it reads.
//
//	go run ./docs/examples/go
package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sendforsign/sfs-operator/tokenfile"
)

// dir is where the token Secret is mounted.
var dir = cmp.Or(os.Getenv("SFS_TOKEN_DIR"), "/var/run/sfs")

// client adds the token to each request. It reads the files again each minute, and where SFS answers 401.
var client = &http.Client{Transport: tokenfile.New(dir).Transport(nil), Timeout: 30 * time.Second}

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		status, answer, err := call(context.Background(), "user", `{"data":{"action":"list"}}`)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(status, answer)
	}
}

func call(ctx context.Context, endpoint, body string) (status int, answer string, err error) {
	baseURL, err := os.ReadFile(filepath.Join(dir, "baseURL"))
	if err != nil {
		return 0, "", err
	}
	url := strings.TrimSpace(string(baseURL)) + "/" + endpoint
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(raw)), err
}
