// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * An application that lists the users of its SFS client, once for each line that it reads. Needs Java 11 or later.
 *
 * <pre>java docs/examples/java/Main.java</pre>
 */
public class Main {
    /** Where the token Secret is mounted. */
    private static final Path DIR = Path.of(System.getenv().getOrDefault("SFS_TOKEN_DIR", "/var/run/sfs"));

    /** Follows no redirect, by default: SFS sends none, and the token is for nobody else. */
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static void main(String[] args) throws IOException, InterruptedException {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            var answer = call("user", "{\"data\":{\"action\":\"list\"}}");
            System.out.println(answer.statusCode() + " " + answer.body().strip());
        }
    }

    private static HttpResponse<String> call(String endpoint, String body) throws IOException, InterruptedException {
        var token = read("token"); // for each request: it is replaced every 20 minutes
        var answer = send(token, endpoint, body);
        if (answer.statusCode() != 401) {
            return answer;
        }
        var newer = read("token"); // it may have been replaced, and revoked, meanwhile
        return newer.equals(token) ? answer : send(newer, endpoint, body);
    }

    private static HttpResponse<String> send(String token, String endpoint, String body)
            throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(read("baseURL") + "/" + endpoint))
                .header("Authorization", "Bearer " + token)
                .header("Content-Type", "application/json")
                .timeout(Duration.ofSeconds(30))
                .POST(BodyPublishers.ofString(body))
                .build();
        return CLIENT.send(request, BodyHandlers.ofString());
    }

    private static String read(String key) throws IOException {
        return Files.readString(DIR.resolve(key)).strip();
    }
}
