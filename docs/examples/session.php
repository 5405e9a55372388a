<?php
// A session that is bound to the client's key at login, and worth nothing with any other key.

session_set_cookie_params(['secure' => true, 'httponly' => true, 'samesite' => 'Lax']);
session_start(['use_strict_mode' => true]);
header('Content-Type: text/plain');

// The same under mod_php, PHP-FPM and CGI: mod_token_binding has removed what a client sends under this name.
$id = $_SERVER['HTTP_SEC_PROVIDED_TOKEN_BINDING_ID'] ?? '';

if (isset($_POST['user'])) {
    // At login, and never later: a key that is added to an unbound session may be the thief's.
    session_regenerate_id(true);
    $_SESSION = ['user' => $_POST['user'], 'token_binding_id' => $id];
    echo "welcome\n";
} elseif (!isset($_SESSION['user']) || !hash_equals($_SESSION['token_binding_id'], $id)) {
    http_response_code(403);
    echo "log in\n";
} else {
    echo "hello {$_SESSION['user']}\n";
}
