// Prints a customer's alerts, one JSON object a line, with the token that defender-tenant-operator keeps in a Secret.
// .NET 8 or later, no packages. The Secret is mounted as a volume (see pod-volume.yaml); its files are read anew when
// the token has expired or the API answers 401.
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

var mount = new Mount(Environment.GetEnvironmentVariable("DEFENDER_DIR") ?? "/var/run/secrets/defender");
// No redirects: the token is for this host alone.
using var http = new HttpClient(new LiveToken(mount, new SocketsHttpHandler { AllowAutoRedirect = false }))
{
    Timeout = Timeout.InfiniteTimeSpan, // LiveToken bounds each try; a pause that the API asks for isn't one
};
// Microsoft asks partners for this form: MdePartner-{Company}-{Product}/{Version}
http.DefaultRequestHeaders.UserAgent.ParseAdd("MdePartner-Contoso-AlertForwarder/1.0");

const int pageSize = 1000;
for (var skip = 0; ; skip += pageSize)
{
    using var response = await http.GetAsync(LiveToken.At($"/api/alerts?$top={pageSize}&$skip={skip}"));
    response.EnsureSuccessStatusCode();
    using var page = JsonDocument.Parse(await response.Content.ReadAsStreamAsync());
    var alerts = page.RootElement.GetProperty("value");
    foreach (var alert in alerts.EnumerateArray()) Console.WriteLine(JsonSerializer.Serialize(alert));
    if (alerts.GetArrayLength() < pageSize) break;
}

/// <summary>What the Secret holds.</summary>
record Access(string Token, Uri Url);

/// <summary>The mounted Secret.</summary>
class Mount(string directory)
{
    // How long to wait for a new token: twice what the kubelet needs.
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>A token that hasn't expired and isn't the one that was just rejected; waits for one.</summary>
    public async Task<Access> LiveAsync(string? rejected, CancellationToken cancel)
    {
        for (var until = DateTimeOffset.UtcNow + Patience; ; await Task.Delay(TimeSpan.FromSeconds(2), cancel))
        {
            try
            {
                var token = await ReadAsync("token", cancel);
                var url = new Uri(await ReadAsync("api-url", cancel));
                var expires = DateTimeOffset.Parse(await ReadAsync("expires-on", cancel), CultureInfo.InvariantCulture);
                if (token != rejected && expires > DateTimeOffset.UtcNow.AddSeconds(5)) return new Access(token, url);
            }
            catch (Exception e) when (e is IOException or FormatException)
            {
                // Not there yet, or emptied because the token expired.
            }
            if (DateTimeOffset.UtcNow >= until)
                throw new InvalidOperationException($"no live token in {directory}; see kubectl get defendertenants");
        }
    }

    async Task<string> ReadAsync(string name, CancellationToken cancel) =>
        (await File.ReadAllTextAsync(Path.Combine(directory, name), cancel)).Trim();
}

/// <summary>Puts the live token on each request: on 401 the next one, on 429 after the pause asked for.</summary>
class LiveToken(Mount mount, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    static readonly Uri Placeholder = new("https://api-url.invalid");

    /// <summary>A path of the API; the host comes from the Secret.</summary>
    public static Uri At(string path) => new(Placeholder, path);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        var path = request.RequestUri!.PathAndQuery;
        var access = await mount.LiveAsync(null, cancel);
        var (renewed, throttled) = (false, 0);
        while (true)
        {
            request.RequestUri = new Uri(access.Url, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", access.Token);
            using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            bounded.CancelAfter(TimeSpan.FromSeconds(60));
            var response = await base.SendAsync(request, bounded.Token);
            await response.Content.LoadIntoBufferAsync().WaitAsync(bounded.Token);
            if (response.StatusCode == HttpStatusCode.Unauthorized && !renewed)
            {
                renewed = true;
                response.Dispose();
                access = await mount.LiveAsync(access.Token, cancel);
            }
            else if (response.StatusCode == HttpStatusCode.TooManyRequests && throttled++ < 5)
            {
                var pause = response.Headers.RetryAfter is not { } after ? TimeSpan.FromMinutes(1)
                    : after.Delta ?? after.Date!.Value - DateTimeOffset.UtcNow;
                response.Dispose();
                await Task.Delay(TimeSpan.FromSeconds(Math.Clamp(pause.TotalSeconds, 1, 3600)), cancel);
                access = await mount.LiveAsync(null, cancel);
            }
            else
            {
                return response;
            }
        }
    }
}
