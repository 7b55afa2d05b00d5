<?php
// The guestbook's page. Entries are written to the Redis primary and read from the replicas, both found by the DNS names
// of their Services. Redis is spoken to directly in its own protocol, so that PHP needs no extension.

const PRIMARY = 'redis-primary';
const REPLICA = 'redis-replica';
const KEY = 'messages';
const LONGEST = 500;

function redis(string $host, string ...$words) {
    $connection = @fsockopen($host, 6379, $code, $reason, 3);
    if (!$connection) {
        throw new RuntimeException("$host cannot be reached ($reason)");
    }
    stream_set_timeout($connection, 3);
    $request = '*' . count($words) . "\r\n";
    foreach ($words as $word) {
        $request .= '$' . strlen($word) . "\r\n$word\r\n";
    }
    fwrite($connection, $request);
    try {
        return answer($connection, $host);
    } finally {
        fclose($connection);
    }
}

function answer($connection, string $host) {
    $line = fgets($connection);
    if ($line === false) {
        throw new RuntimeException("$host did not answer");
    }
    $value = substr(rtrim($line, "\r\n"), 1);
    switch ($line[0]) {
        case '+': return $value;
        case ':': return (int) $value;
        case '-': throw new RuntimeException("$host: $value");
        case '$':
            return (int) $value < 0 ? null : substr(stream_get_contents($connection, (int) $value + 2), 0, -2);
        case '*':
            $items = [];
            for ($i = 0; $i < (int) $value; $i++) {
                $items[] = answer($connection, $host);
            }
            return $items;
    }
    throw new RuntimeException("$host answered something unknown");
}

function shown(string $text): string {
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

if (isset($_GET['health'])) {
    exit('ok');
}

$problem = '';
$messages = [];
try {
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        $text = trim(substr((string) ($_POST['message'] ?? ''), 0, LONGEST));
        if ($text !== '') {
            redis(PRIMARY, 'RPUSH', KEY, $text);
        }
        if (!isset($_GET['json'])) {
            header('Location: /', true, 303);
            exit;
        }
    }
    $messages = redis(REPLICA, 'LRANGE', KEY, '0', '-1');
} catch (RuntimeException $error) {
    http_response_code(503);
    $problem = $error->getMessage();
}

if (isset($_GET['json'])) {
    header('Content-Type: application/json');
    exit(json_encode(['messages' => $messages, 'served_by' => gethostname(), 'problem' => $problem]) . "\n");
}
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  form { display: flex; gap: .5rem; margin: 1.5rem 0; }
  input { flex: 1; font: inherit; padding: .4rem .6rem; }
  button { font: inherit; padding: .4rem 1rem; }
  li { border-bottom: 1px solid #ddd; padding: .4rem 0; list-style: none; overflow-wrap: anywhere; }
  ul { padding: 0; }
  footer, .problem { color: #666; font-size: .9rem; }
  .problem { color: #a00; }
</style>
<h1>Guestbook</h1>
<form method="post">
  <input name="message" maxlength="<?= LONGEST ?>" placeholder="Leave a message" aria-label="Message" autofocus required>
  <button>Sign</button>
</form>
<?php if ($problem !== ''): ?>
<p class="problem"><?= shown($problem) ?></p>
<?php endif ?>
<ul>
<?php foreach (array_reverse($messages) as $message): ?>
  <li><?= shown($message) ?></li>
<?php endforeach ?>
</ul>
<footer>Served by <?= shown(gethostname()) ?>; written to <?= PRIMARY ?>, read from <?= REPLICA ?>.</footer>
</html>
