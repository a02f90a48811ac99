# Messages that Perl programs sign: JSON::PP and MIME::Base64, and openssl for the signature.
use strict;
use warnings;
use utf8;
use Encode qw(encode);
use FindBin qw($Bin);
use JSON::PP;
use MIME::Base64;

my ($time, $client, $path) = ('2024-05-22T09:12:21+08:00', '4Q5Y8W0WSG45P907917', '/api/open/alipay/v1/merchant/order/sync');
my $order = {
  requestId => '0c3f2d1e9b8a47c6a5d4e3f201928374', tradeNo => 'TRADE-1', merchantBizNo => 'BIZ-1',
  merchantBizType => 'TRADE_ORDER', orderStatus => 'PAID', orderCreateTime => 1716340281000,
  orderModifyTime => 1716340340000, userId => 'USER-1', extInfo => { note => '蛋撻' },
};

sub sign {
  my ($body) = @_;
  open my $out, '>:raw', "/tmp/perl-content-$$" or die;
  print {$out} "POST $path\n$client.$time.$body";
  close $out;
  my $signature = `openssl dgst -sha256 -sign '$Bin/keys/sender.pem' /tmp/perl-content-$$`;
  unlink "/tmp/perl-content-$$";
  my $text = encode_base64($signature, '');
  $text =~ s/([+\/=])/sprintf('%%%02X', ord $1)/ge;
  return $text;
}

sub write_http {
  my ($name, $signature, $body) = @_;
  open my $out, '>:raw', "$Bin/$name.http" or die;
  print {$out} "POST $path HTTP/1.1\r\nHost: shop.example\r\nClient-Id: $client\r\n",
    "Content-Type: application/json; charset=UTF-8\r\nRequest-Time: $time\r\n",
    "Signature: algorithm=RSA256,keyVersion=1,signature=$signature\r\nContent-Length: ", length($body), "\r\n\r\n", $body;
  close $out;
}

my $json = JSON::PP->new->utf8->canonical;
my $body = $json->encode($order);
write_http('perl-pretty', sign($body), $json->pretty->encode($order));
# "ascii" writes \uXXXX.
write_http('perl-ascii', sign(JSON::PP->new->ascii->canonical->encode($order)), $body);
# The body is encoded as UTF-8 twice.
write_http('perl-utf8-twice', sign($body), encode('UTF-8', $body));
# encode_base64() breaks lines.
write_http('perl-base64', sign($body), encode_base64($body));
