# Writes a customer's alerts to the pipeline, with the token that defender-tenant-operator keeps in a Secret.
# PowerShell 7. The Secret is mounted as a volume (see pod-volume.yaml); its files are read anew when the token has
# expired or the API answers 401.
#
#   ./alerts.ps1 | Select-Object id, severity, title
param(
    [string] $Directory = $(if ($env:DEFENDER_DIR) { $env:DEFENDER_DIR } else { '/var/run/secrets/defender' }),
    # Microsoft asks partners for this form: MdePartner-{Company}-{Product}/{Version}
    [string] $UserAgent = 'MdePartner-Contoso-AlertForwarder/1.0',
    # How long to wait for a new token: twice what the kubelet needs.
    [int] $PatienceSeconds = 180,
    [int] $PageSize = 1000
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest

# A token that hasn't expired and isn't the one that was just rejected; waits for one.
function Get-LiveToken([string] $Rejected = '') {
    $until = [DateTimeOffset]::UtcNow.AddSeconds($PatienceSeconds)
    while ($true) {
        try {
            $token = (Get-Content -Raw -LiteralPath "$Directory/token").Trim()
            $url = (Get-Content -Raw -LiteralPath "$Directory/api-url").Trim()
            $text = (Get-Content -Raw -LiteralPath "$Directory/expires-on").Trim()
            $expires = [DateTimeOffset]::Parse($text, [cultureinfo]::InvariantCulture)
            if ($token -cne $Rejected -and $expires -gt [DateTimeOffset]::UtcNow.AddSeconds(5)) {
                return @{ Token = $token; Url = $url }
            }
        }
        catch [Management.Automation.ItemNotFoundException], [FormatException], [Management.Automation.RuntimeException] {
            # Not there yet, or emptied because the token expired.
            Write-Verbose $_.Exception.Message
        }
        if ([DateTimeOffset]::UtcNow -ge $until) { throw "no live token in $Directory; see kubectl get defendertenants" }
        Start-Sleep -Seconds 2
    }
}

# Seconds to wait after a 429: the header holds seconds or a date.
function Get-RetryAfter([Net.Http.Headers.HttpResponseHeaders] $Headers) {
    $header = $Headers.RetryAfter
    $seconds = if ($null -eq $header) { 60 }
    elseif ($null -ne $header.Delta) { $header.Delta.TotalSeconds }
    else { ($header.Date - [DateTimeOffset]::UtcNow).TotalSeconds }
    return [Math]::Min([Math]::Max($seconds, 1), 3600)
}

function Invoke-Defender([string] $Path) {
    $live = Get-LiveToken
    $renewed = $false
    $throttled = 0
    while ($true) {
        $secure = ConvertTo-SecureString $live.Token -AsPlainText -Force
        try {
            # No redirects: the token is for this host alone.
            return Invoke-RestMethod -Uri ($live.Url + $Path) -Authentication Bearer -Token $secure `
                -UserAgent $UserAgent -TimeoutSec 60 -MaximumRedirection 0
        }
        catch [Microsoft.PowerShell.Commands.HttpResponseException] {
            $response = $_.Exception.Response
            switch ([int] $response.StatusCode) {
                { $_ -eq 401 -and -not $renewed } { $renewed = $true; $live = Get-LiveToken $live.Token; break }
                { $_ -eq 429 -and $throttled -lt 5 } {
                    $throttled++
                    Start-Sleep -Seconds (Get-RetryAfter $response.Headers)
                    $live = Get-LiveToken
                    break
                }
                default { throw }
            }
        }
    }
}

$skip = 0
do {
    $page = @((Invoke-Defender "/api/alerts?`$top=$PageSize&`$skip=$skip").value)
    $page
    $skip += $page.Count
} while ($page.Count -eq $PageSize)
